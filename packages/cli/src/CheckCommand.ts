/** `observability-agent check`: says of everything that an agent needs whether it is well, a line each, and what to do if not. */
import type * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import type { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as ClockSkew from "./ClockSkew.ts"
import { config, type Environment, json, settled, startup } from "./Environment.ts"
import type { Finding } from "./Finding.ts"
import * as ServerCheck from "./ServerCheck.ts"
import * as StateCheck from "./StateCheck.ts"
import * as Table from "./Table.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make("check", { config, json }, (given) =>
    Effect.gen(function* () {
      const findings: Array<Finding> = []
      const tell = (finding: Finding, width = NARROW) =>
        Effect.suspend(() => {
          findings.push(finding)
          return given.json ? Effect.void : Console.log(line(environment, finding, width))
        })
      const tellAll = Effect.suspend(() => (given.json ? Console.log(document(findings)) : Effect.void))

      const started = yield* startup(environment, given.config).pipe(
        Effect.tapError((error) => Effect.andThen(tell(ofSettings(error)), tellAll))
      )
      const { agent, sources } = started
      yield* Effect.gen(function* () {
        const { statePath } = yield* CoreSettings.config
        const checks: ReadonlyArray<Agent.Check> = [
          ...ServerCheck.checks,
          ...(yield* agent.checks ?? Effect.succeed([{ what: agent.tool, probe: agent.check }]))
        ]
        const width = Math.max(NARROW, ...checks.map(({ what }) => what.length))
        yield* tell(
          { what: "settings", state: "ok", text: `valid (${sources.file ?? "no file, environment only"})` },
          width
        )
        yield* tell(yield* StateCheck.look(statePath, environment.name), width)
        const skew = ClockSkew.watch(yield* HttpTransport)
        // Side by side, so that one that does not answer holds up none; told in their order.
        const probes = yield* Effect.forEach(checks, ({ probe, what }) =>
          Effect.map(
            Effect.forkChild(Effect.result(Effect.provideService(probe, HttpTransport, skew.transport))),
            (fiber) => ({ what, fiber })
          )
        )
        for (const { fiber, what } of probes) {
          const outcome = yield* Fiber.join(fiber)
          if (Result.isSuccess(outcome)) yield* tell({ what, state: "ok", text: outcome.success }, width)
          else if (outcome.failure._tag === "CheckFailed") {
            const { exitCode, message } = outcome.failure
            yield* tell({ what, state: "failed", text: message, exitCode }, width)
          } else return yield* Effect.fail(outcome.failure)
        }
        const clock = ClockSkew.judge(skew.readings())
        yield* tell({ what: "clock", state: clock.isRight ? "ok" : "warning", text: clock.text }, width)
      }).pipe(Effect.provide(settled(environment, started)))
      yield* tellAll
      const worst = Math.max(0, ...findings.map(({ exitCode }) => exitCode ?? 0))
      if (worst > 0) return yield* new ChecksFailed({ exitCode: worst })
    })
  ).pipe(
    Command.withDescription(
      "Looks at everything that the agent needs, and says of each whether it is well, and what to do if not: the settings, the state file, the Observability server and the permissions of the key, the tool and the permissions there, the clock. Sends no event and changes nothing; works beside a running agent."
    ),
    Command.withShortDescription(
      "Says of settings, state file, server, tool and clock whether they are well."
    ),
    Command.withExamples([
      { command: `${environment.name} check`, description: "Before the first start, or when in doubt" },
      { command: `${environment.name} check --json`, description: "For scripts; the exit code tells, too" }
    ])
  )

/** At least one check found something wrong; what it was has been printed. */
export class ChecksFailed extends Schema.TaggedError<ChecksFailed>()("ChecksFailed", {
  exitCode: Schema.Int
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return "Not everything is as it should be; see above."
  }
}

/** The longest name of a check that is always there. */
const NARROW = "observability".length

/** The report itself follows on the standard error stream. */
const ofSettings = (error: SettingsError): Finding => ({
  what: "settings",
  state: "failed",
  text: error.message,
  exitCode: 78
})

const marks = {
  ok: { text: "ok  ", tone: "good" },
  warning: { text: "warn", tone: "doubtful" },
  failed: { text: "FAIL", tone: "bad" }
} as const

const line = ({ colours }: Environment, { exitCode, state, text, what }: Finding, width: number): string => {
  const { text: mark, tone } = marks[state]
  const words = exitCode === 78 ? "not valid; the report follows" : text
  return `${Table.paint(colours, tone, mark)} ${what.padEnd(width)}  ${words}`
}

const document = (findings: ReadonlyArray<Finding>): string =>
  Table.json({
    ok: findings.every(({ state }) => state !== "failed"),
    checks: findings.map(({ exitCode, state, text, what }) => ({
      what,
      state,
      text,
      ...(exitCode === undefined ? {} : { exit_code: exitCode })
    }))
  })
