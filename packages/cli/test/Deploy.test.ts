import { assert, describe, it } from "@effect/vitest"
import * as AgentMetrics from "@observability-agents/core/AgentMetrics"
import { StatusSettings } from "@observability-agents/core/StatusSettings"
import { keyOf, variablesOf } from "@observability-agents/toolkit/SettingsSection"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Option } from "effect"
import { NodeServices } from "@effect/platform-node"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Agents from "../src/Agents.ts"
import * as Startup from "../src/Startup.ts"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const read = (path: string): string => Fs.readFileSync(Path.join(root, path), "utf8")
const files = (folder: string): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.relative(root, Path.join(entry.parentPath, entry.name)))
const deployed = files("deploy")

const variables = new Map(
  Agents.allSections.flatMap((section) =>
    Object.entries(section.fields).flatMap(([name, field]) =>
      variablesOf(section, name, field).map((variable) => [variable, field] as const)
    )
  )
)

/** Whether a program is installed. What needs it says so where it is not. */
const has = (program: string): boolean =>
  spawnSync(program, ["--help"], { stdio: "ignore" }).error === undefined

const run = (program: string, args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(program, args, { encoding: "utf8" })
  assert.strictEqual(status, 0, `${program} ${args.join(" ")}\n${stderr}${stdout}`)
  return stdout
}

/** The documents of a file in YAML. */
const documents = (text: string): ReadonlyArray<string> => text.split(/^---$/m).map((part) => part.trim())

/** The first value of a key, however deep it stands. */
const value = (document: string, key: string): string | undefined =>
  new RegExp(`^\\s*(?:- )?${key}:\\s*"?([^"\\n]*?)"?\\s*$`, "m").exec(document)?.[1]

/** What a setting `agent.toml: |` of a ConfigMap holds. */
const tomlOf = (document: string): string => {
  const block = /^( *)agent\.toml: \|\n((?:\1 +.*\n?|\s*\n)+)/m.exec(`${document}\n`)?.[2] ?? ""
  const indent = /^ */.exec(block)?.[0].length ?? 0
  return block
    .split("\n")
    .map((line) => line.slice(indent))
    .join("\n")
}

/** What an environment file or a Secret sets. */
const settingsOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/^[ \t]*(DK_[A-Z_]+)[=:][ \t]*"?([^"\n]*?)"?[ \t]*$/gm)].map(([, name, value]) => [
      name ?? "",
      value === "" ? "0123456789abcdef-filled-in" : (value ?? "")
    ])
  )

/** What is wrong with these settings. */
const problems = (env: Readonly<Record<string, string>>, toml = "") =>
  Effect.gen(function* () {
    const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "deploy-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(folder, { recursive: true })))
    const file = Path.join(folder, "agent.toml")
    Fs.writeFileSync(file, toml)
    const { problems, sources } = yield* Startup.read(Agents.agents, { env, file })
    return { problems, port: Option.getOrUndefined(Settings.value(sources, StatusSettings, "port")) }
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

describe("the files for operation", () => {
  it("name settings that there are", () => {
    let count = 0
    for (const file of [...deployed, "Dockerfile", "docs/operating.md"]) {
      for (const [name] of read(file).matchAll(/\bDK_[A-Z_]*[A-Z]\b/g)) {
        const setting = name.replace(/_FILE$/, "")
        const field = variables.get(name) ?? variables.get(setting)
        assert.isDefined(field, `${file} names ${name}`)
        if (name !== setting && !variables.has(name))
          assert.isTrue(field?.secret, `${file}: ${setting} has no ${name}`)
        count += 1
      }
    }
    assert.isAbove(count, 10)
  })

  it("keep secrets out of files that are shown", () => {
    for (const file of deployed) {
      for (const [name, given] of Object.entries(settingsOf(read(file)))) {
        if (variables.get(name)?.secret === true)
          assert.include(given, "filled-in", `${file} has a value for ${name}`)
      }
    }
    const configuration = read("deploy/kubernetes/configuration.yaml")
    for (const section of Agents.allSections) {
      for (const [name, field] of Object.entries(section.fields)) {
        if (field.secret) assert.notMatch(configuration, new RegExp(`^\\s*${keyOf(name, field)}\\s*=`, "m"))
      }
    }
  })

  it.effect("hold settings that are valid once the secrets are filled in", () =>
    Effect.gen(function* () {
      const secret = settingsOf(read("deploy/kubernetes/secret.yaml"))
      const toml = tomlOf(read("deploy/kubernetes/configuration.yaml"))
      assert.include(toml, "[core]")
      const kubernetes = yield* problems(secret, toml)
      assert.deepStrictEqual(kubernetes.problems, [])
      const second = tomlOf(read("deploy/kubernetes-second/kustomization.yaml"))
      assert.include(second, "[core]")
      assert.deepStrictEqual((yield* problems(secret, second)).problems, [])
      const compose = yield* problems(settingsOf(read("deploy/agent.env.example")))
      assert.deepStrictEqual(compose.problems, [])
      // The port is the same wherever it is named.
      assert.strictEqual(
        value(read("deploy/kubernetes/agent.yaml"), "containerPort"),
        String(kubernetes.port)
      )
      assert.strictEqual(value(read("deploy/kubernetes/service.yaml"), "port"), String(kubernetes.port))
      assert.include(read("deploy/compose.yaml"), `127.0.0.1:${compose.port}:${compose.port}`)
      // Without its Secret an agent does not start, rather than with a page that is open to all.
      const { DK_STATUS_TOKEN: _token, ...without } = secret
      assert.isAbove((yield* problems(without, toml)).problems.length, 0)
    })
  )

  it("ask addresses that the status server has", () => {
    const app = read("packages/core/src/StatusApp.ts")
    const paths = deployed.flatMap((file) =>
      [...read(file).matchAll(/^\s*path: (\/.*)$/gm)].map(([, path]) => path ?? "")
    )
    assert.includeMembers(paths, ["/health/live", "/health/ready"])
    for (const path of paths) assert.include(app, `"GET", "${path}"`)
  })

  it("alert on metrics that there are, and on their labels", () => {
    const rules = read("deploy/prometheus/alerts.yaml")
    const names = new Set(
      [...rules.matchAll(/observability_agent_([a-z_]+)(?:\{([^}]*)\})?/g)].map(([, name]) => name ?? "")
    )
    assert.isAbove(names.size, 4)
    const known = new Map(Object.entries(AgentMetrics.definitions))
    for (const name of names) {
      assert.isDefined(known.get(name) ?? known.get(name.replace(/_(bucket|count|sum)$/, "")), name)
    }
    for (const [, name, labels] of rules.matchAll(/observability_agent_([a-z_]+)\{([^}]*)\}/g)) {
      const definition = known.get(name ?? "") ?? known.get((name ?? "").replace(/_bucket$/, ""))
      for (const [, label] of (labels ?? "").matchAll(/(\w+)\s*[=!]/g)) {
        assert.include([...(definition?.labels ?? []), "job", "instance"], label ?? "", name)
      }
    }
    // The document tells the same alerts.
    const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, alert]) => alert ?? "")
    for (const alert of alerts) assert.include(read("docs/operating.md"), `\`${alert}\``)
  })

  it("alert by rules that Prometheus takes", ({ skip }) => {
    skip(!has("promtool"), "promtool is not installed")
    run("promtool", ["check", "rules", Path.join(root, "deploy/prometheus/alerts.yaml")])
  })

  it("make Kubernetes objects with valid names, and a Secret for each agent", ({ skip }) => {
    skip(!has("kubectl"), "kubectl is not installed")
    const agents = ["deploy/kubernetes", "deploy/kubernetes-second"].map((folder) =>
      documents(run("kubectl", ["kustomize", Path.join(root, folder)]))
    )
    const identities: Array<string> = []
    for (const objects of agents) {
      const of = (kind: string) => objects.find((object) => value(object, "kind") === kind) ?? ""
      const name = (object: string) => /^metadata:\n(?:  .*\n)*?  name: (.*)$/m.exec(object)?.[1] ?? ""
      for (const object of objects) {
        assert.match(name(object), /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, value(object, "kind"))
        if (value(object, "kind") !== "Namespace") {
          assert.strictEqual(value(object, "namespace"), "observability")
          identities.push(`${value(object, "kind")} ${name(object)}`)
        }
      }
      const agent = of("StatefulSet")
      assert.match(agent, new RegExp(`secretRef:\\s+name: ${name(of("Secret"))}\\n`))
      assert.match(agent, new RegExp(`configMap:\\s+name: ${name(of("ConfigMap"))}\\n`))
      assert.strictEqual(value(agent, "serviceName"), name(of("Service")))
      const instance = value(agent, "app.kubernetes.io/instance") ?? ""
      identities.push(`instance ${instance}`)
      const selector = /selector:\n(?:\s+matchLabels:\n)?((?:\s+app\.kubernetes\.io.*\n?)+)/
      for (const object of [agent, of("Service")]) {
        const selected = selector.exec(object)?.[1] ?? ""
        assert.include(selected, `app.kubernetes.io/instance: ${instance}`, value(object, "kind"))
      }
      // A pod's names are made of the StatefulSet's, and are names of hosts, too.
      assert.isBelow(name(agent).length, 52)
    }
    assert.strictEqual(new Set(identities).size, identities.length, identities.join("\n"))
  })

  it("make a unit that systemd takes", ({ skip }) => {
    skip(!has("systemd-analyze"), "systemd-analyze is not installed")
    const unit = Path.join(root, "deploy/systemd/observability-agent@.service")
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" })
    assert.strictEqual(status, 0, stderr)
    assert.notInclude(stderr, "observability-agent@", "it has something to say of the unit")
  })

  it("do not start again what does not go away by that", () => {
    const unit = read("deploy/systemd/observability-agent@.service")
    assert.match(unit, /^RestartPreventExitStatus=64 74 78$/m)
    const grace = (text: string, key: string) =>
      Number.parseInt(value(text, key) ?? /TimeoutStopSec=(\d+)/.exec(text)?.[1] ?? "0", 10)
    assert.isAbove(grace(unit, "TimeoutStopSec"), 10)
    assert.isAbove(grace(read("deploy/kubernetes/agent.yaml"), "terminationGracePeriodSeconds"), 10)
    assert.isAbove(grace(read("deploy/compose.yaml"), "stop_grace_period"), 10)
  })
})
