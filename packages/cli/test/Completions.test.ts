import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import * as Here from "./ProgramHere.ts"

const script = (shell: string) =>
  Effect.map(Here.run({ args: ["--completions", shell] }), ({ exitCode, stdout }) => {
    assert.strictEqual(exitCode, 0)
    return stdout
  })

/** What bash offers for these words, the last of which is being typed. */
const offers = (script: string, ...words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const ask = `
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}; COMPREPLY=()
    function=$(complete -p observability-agent); function=\${function#*-F }; function=\${function%% *}
    $function observability-agent "\${!#}" "\${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stderr, stdout } = spawnSync(
    "bash",
    ["-c", `${script}\n${ask}`, "bash", "observability-agent", ...words],
    {
      encoding: "utf8"
    }
  )
  assert.strictEqual(stderr, "")
  return stdout.trim().split("\n")
}

describe("observability-agent --completions", () => {
  it.live("makes bash know commands, subcommands, flags and their values", () =>
    Effect.gen(function* () {
      const bash = yield* script("bash")
      assert.deepStrictEqual(offers(bash, "to"), ["top"])
      assert.deepStrictEqual(offers(bash, "config", ""), ["show", "reference"])
      assert.deepStrictEqual(offers(bash, "graph", "--format", ""), ["mermaid", "dot"])
      assert.includeMembers([...offers(bash, "run", "--")], ["--dry-run", "--once", "--timeout"])
    }).pipe(Effect.provide(Here.services))
  )

  it.live("is there for zsh and fish", () =>
    Effect.gen(function* () {
      assert.match(yield* script("zsh"), /^#compdef observability-agent|compdef .*observability-agent/m)
      assert.match(yield* script("fish"), /^complete -c observability-agent /m)
    }).pipe(Effect.provide(Here.services))
  )
})
