import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAuth from "@observability-agents/agent-databricks/DatabricksAuth"
import { Effect } from "effect"
import * as Agents from "../../src/Agents.ts"
import * as Canary from "./Canary.ts"
import type * as Mirror from "./Mirror.ts"
import * as Outputs from "./Outputs.ts"
import * as Plants from "./Plants.ts"
import * as Program from "./Program.ts"
import * as World from "./World.ts"

const alone = Plants.secretSettings(Agents.allSections).filter(({ list }) => list === undefined)

const KINDS = ["api_token", "username_password", "azure_spn", "azure_basic_oauth", "oauth"] as const

/** Settings, files and variables of a program. */
interface Case {
  readonly name: string
  readonly tables: Plants.Tables
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly commands: ReadonlyArray<ReadonlyArray<string>>
}

const PARALLEL = 3

/** Runs the commands of each case in a folder of its own. */
const perform = (outputs: Outputs.Outputs, cases: ReadonlyArray<Case>) =>
  Effect.forEach(
    cases,
    ({ commands, env = {}, files = {}, name, tables }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const cwd = yield* Program.folder
          const given = { "agent.toml": Plants.toml(tables), ...files }
          yield* Program.write(cwd, given)
          for (const args of commands) {
            const ended = yield* Program.run({ args, cwd, env })
            Outputs.add(outputs, `${args.join(" ")} (${name}), which ended with ${ended.code}`, ended)
          }
          Outputs.files(outputs, name, cwd, Object.keys(given))
        })
      ),
    { concurrency: PARALLEL, discard: true }
  )

describe("no secret is in any output", () => {
  it.live(
    "of any command, wherever secrets were set, of whatever kind the credentials are, in failure and success",
    () =>
      Effect.gen(function* () {
        const canaries = Canary.make()
        const outputs: Outputs.Outputs = []
        const world = yield* World.make(canaries)
        const tail = (manners: ReadonlyArray<Mirror.Manner>) => World.cycle(manners)
        const token = canaries.of("[auth_api_token] agent_token")
        const ownAll = [
          ...alone.map(({ id }) => id),
          "the access token",
          "a proxy",
          ...Plants.toolSecrets.flatMap((name) => [`${name} of variables`, `${name} of the profile`])
        ]
        const failing = yield* world.workspace(
          "that fails",
          token,
          tail(["words", "page", "long", "redirect", "text"]),
          ownAll
        )
        const rude = yield* world.workspace("that always fails", token, () => "words", ownAll)
        const working = yield* world.workspace("that works", token, () => "pass", ownAll)
        const signIn = yield* world.workspace(
          "of fetched tokens",
          canaries.of("the access token"),
          () => "pass",
          ownAll
        )
        const server = yield* world.observability(tail(["pass", "invalid", "pass", "words", "pass", "page"]))
        const good = yield* world.observability(() => "pass")

        const byPlace = (place: Plants.Place, kind: string): Case => {
          const planted = Plants.plant(alone, place, canaries)
          return {
            name: `${kind} by ${place}`,
            tables: Plants.merge(
              World.settings(failing, server, {
                credentials: { kind },
                telemetry: { otlp_endpoint: world.collector.url }
              }),
              planted.tables
            ),
            files: planted.files,
            env: planted.variables,
            commands: [
              ["check"],
              ...(place === "key" && kind !== KINDS[0] ? [] : [["config", "show", "--json"]])
            ]
          }
        }
        const inFile = Plants.plant(alone, "key", canaries)
        const settings = (...[workspace, server, others]: Parameters<typeof World.settings>) =>
          Plants.merge(World.settings(workspace, server, others), inFile.tables)
        const formats = (["pretty", "logfmt"] as const).map((log_format, index): Case => ({
          name: log_format,
          tables: settings(index === 0 ? working : rude, server, {
            core: { log_format, log_level: "debug" },
            telemetry: { otlp_endpoint: world.collector.url }
          }),
          commands: [
            ["run", "--once", "--timeout", "3"],
            index === 0
              ? ["backfill", "--from", "2 hours", "--dry-run"]
              : ["run", "--dry-run", "--once", "--timeout", "3", "--json"]
          ]
        }))
        const others = {
          name: "success",
          tables: settings(signIn, good, { credentials: { kind: "oauth" }, core: { log_level: "debug" } }),
          commands: [
            ["check", "--json"],
            ["run", "--once", "--json", "--timeout", "20"],
            ["config", "show", "--set"],
            ["config", "reference", "--format", "json-schema"],
            ["backfill", "--from", "3 hours"],
            // There is no status server.
            ["health"],
            ["top", "--json"]
          ]
        }

        // What the tool's own programs would use.
        const { credentials: _kind, ...bare } = settings(failing, server)
        const { databricks: _databricks, ...noHost } = Plants.merge(
          Object.fromEntries(Object.entries(bare).filter(([table]) => !table.startsWith("auth_"))),
          {}
        )
        const attributes = (source: string): Partial<Record<DatabricksAuth.Name, string>> => ({
          host: failing.url,
          client_id: "client",
          username: "observer",
          azure_client_id: "client",
          azure_tenant_id: "tenant",
          ...Object.fromEntries(Plants.toolSecrets.map((name) => [name, canaries.of(`${name} of ${source}`)]))
        })
        const foreign = alone.flatMap(({ id, others }) =>
          others.map((name) => [name, `name=${encodeURIComponent(canaries.of(`${id} of ${name}`))}`] as const)
        )
        const { telemetry: _telemetry, ...noTelemetry } = noHost
        // Sign-in services elsewhere are not reached.
        const env = {
          HTTPS_PROXY: `http://user:${encodeURIComponent(canaries.of("a proxy"))}@127.0.0.1:${failing.port}`
        }
        const tools = DatabricksAuth.allKinds.flatMap((kind): ReadonlyArray<Case> => {
          const commands = kind === "pat" ? [["check"], ["config", "show"]] : [["check"]]
          const variables = Object.entries(attributes("variables")).flatMap(([name, value]) => {
            const { [name as DatabricksAuth.Name]: variable } = DatabricksAuth.variables
            return [[variable, value] as const]
          })
          const profile = Object.entries({ ...attributes("the profile"), auth_type: kind }).map(
            ([name, value]) => `${name} = ${value}`
          )
          return [
            {
              name: `${kind} by Databricks' variables`,
              tables: noTelemetry,
              env: {
                ...Object.fromEntries(variables),
                DATABRICKS_AUTH_TYPE: kind,
                ...Object.fromEntries(foreign),
                OTEL_EXPORTER_OTLP_ENDPOINT: world.collector.url,
                ...env
              },
              commands
            },
            {
              name: `${kind} by a profile`,
              tables: noTelemetry,
              files: { ".databrickscfg": `[DEFAULT]\n${profile.join("\n")}\n` },
              env,
              commands: [["check"]]
            }
          ]
        })
        const cases = [
          ...KINDS.map((kind) => byPlace("key", kind)),
          ...Plants.places.slice(1).map((place, index) => byPlace(place, KINDS[index + 2] ?? "api_token")),
          ...formats,
          others,
          ...tools
        ]
        yield* perform(outputs, cases)

        Outputs.judge(canaries, outputs, world.sent())
        // Each was read as it was meant, else nothing is proved.
        for (const { name } of cases) {
          if (name === "success" || name === "pretty" || name === "logfmt") continue
          assert.include(
            Outputs.text(outputs, new RegExp(`output of check \\(${name}\\)`)),
            "ok   settings",
            name
          )
        }
        for (const { id } of alone) {
          for (const place of Plants.places) {
            const shown = Outputs.text(outputs, new RegExp(`output of config show.*by ${place}\\)`))
            assert.include(shown, id, `${id} by ${place}`)
          }
        }
        assert.match(Outputs.text(outputs, /output of check.*by key/), /\*{8}/)
        assert.match(Outputs.text(outputs, /error of run --once --timeout 3 \(logfmt\)/), /\*{8}/)
        assert.include(Outputs.text(outputs, /output of run --once --json.*ended with 0/), '"done": true')
        assert.isAbove(world.collector.requests().length, 0)
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "of any command while settings are not valid, the invalid one being the secret",
    () =>
      Effect.gen(function* () {
        const canaries = Canary.make()
        const outputs: Outputs.Outputs = []
        const world = yield* World.make(canaries)
        const workspace = yield* world.workspace("without requests", "none", () => "words", [])
        const server = yield* world.observability(() => "words")
        const base = World.settings(workspace, server)
        const of = (id: string) => canaries.of(id)
        const wrong = (write: (id: string) => Plants.Value): Plants.Tables =>
          Plants.merge(...alone.map(({ id, key, table }) => ({ [table]: { [key]: write(id) } })))
        const reading = [
          ["config", "show"],
          ["config", "show", "--json"],
          ["check", "--json"],
          ["run"],
          ["outbox", "status"]
        ]
        const short = [["config", "show"]]
        const user = (id: string) =>
          `https://user:${encodeURIComponent(of(id))}@127.0.0.1:1/?key=${encodeURIComponent(of(`${id}, query`))}`
        const cases: ReadonlyArray<Case> = [
          {
            name: "tables for texts",
            tables: Plants.merge(
              base,
              wrong((id) => ({ a: { b: of(id) } }))
            ),
            commands: reading
          },
          {
            name: "lists for texts",
            tables: Plants.merge(
              base,
              wrong((id) => [[of(id)], of(`${id}, 2`), of(`${id}, 3`)])
            ),
            commands: [["run"]]
          },
          {
            name: "signs that no header can carry",
            tables: Plants.merge(
              base,
              wrong((id) => `${of(id)}\u00e9`)
            ),
            commands: short
          },
          {
            name: "variables",
            tables: base,
            env: Object.fromEntries(alone.map(({ id, variable }) => [variable, `{"a": ["${of(id)}"`])),
            commands: short
          },
          {
            name: "files",
            tables: base,
            files: Object.fromEntries(
              alone.map(({ id }, index) => [`s${index}`, `\n{"${of(id)}\u00e9": [${of(id)}\n`])
            ),
            env: Object.fromEntries(alone.map(({ variable }, index) => [`${variable}_FILE`, `s${index}`])),
            commands: short
          },
          {
            name: "names that are mistyped",
            tables: Plants.merge(
              base,
              ...alone.map(({ id, key, table }) => ({ [table]: { [`${key}x`]: of(id) } }))
            ),
            env: Object.fromEntries(
              alone.map(({ id, variable }) => [`${variable}X`, of(`${id} by ${variable}X`)])
            ),
            commands: short
          },
          {
            name: "two names, two values",
            tables: Plants.merge(base, {
              core: { observability_service_account_key: of("older") },
              observability: { service_account_key: of("newer") },
              auth_api_token: { agent_token: of("in the file") }
            }),
            env: {
              DK_AGENT_TOKEN: of("in a variable"),
              DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: of("also there")
            },
            commands: short
          },
          {
            name: "users in addresses",
            tables: Plants.merge(base, {
              observability: { base_url: user("[observability] base_url") },
              databricks: { host: user("[databricks] host") },
              telemetry: {
                otlp_endpoint: user("[telemetry] otlp_endpoint"),
                logs_endpoint: user("[telemetry] logs_endpoint")
              },
              auth_oauth: { token_url: user("[auth_oauth] token_url") },
              auth_azure_spn: { authority: user("[auth_azure_spn] authority") }
            }),
            commands: short
          },
          {
            name: "users in variables of others",
            tables: Plants.merge(base, { databricks: { host: "" } }),
            env: {
              DATABRICKS_HOST: user("DATABRICKS_HOST"),
              OTEL_EXPORTER_OTLP_ENDPOINT: user("OTEL_EXPORTER_OTLP_ENDPOINT"),
              OTEL_EXPORTER_OTLP_HEADERS: of("OTEL_EXPORTER_OTLP_HEADERS")
            },
            commands: short
          },
          {
            name: "secrets that stand elsewhere, too",
            tables: Plants.merge(base, Plants.plant(alone, "key", canaries).tables, {
              core: {
                agent_key: of("[auth_api_token] agent_token"),
                log_level: of("[auth_api_token] agent_token")
              }
            }),
            commands: short
          },
          {
            name: "a list of workspaces",
            tables: Plants.merge(base, { databricks: { host: "" } }),
            env: {
              DK_DATABRICKS_WORKSPACES: `[{"host": "https://a.invalid", "token": {"x": "${of("workspace token")}"}, "tokn": "${of("typo")}"}]`
            },
            commands: short
          },
          {
            name: "no list of workspaces",
            tables: base,
            env: { DK_DATABRICKS_WORKSPACES: `[{"host": "https://a.invalid", "token": "${of("cut off")}` },
            commands: short
          },
          {
            name: "no settings file",
            tables: base,
            files: {
              "agent.toml": `[core]\nagent_key = "a\n[auth_api_token]\nagent_token = "${of("in broken TOML")}\n`
            },
            commands: short
          },
          {
            name: "no value",
            tables: base,
            files: { "agent.toml": `[auth_api_token]\nagent_token = ${of("without quotes")}\n` },
            commands: short
          },
          {
            name: "no profile file",
            tables: Plants.merge(base, { databricks: { host: "", profile: "prod" } }),
            files: { ".databrickscfg": `[prod]\ntoken ${of("a profile's token")}\n` },
            commands: short
          },
          {
            name: "init",
            tables: base,
            commands: [
              ...alone
                .map(({ id, key, table }) => [
                  "init",
                  "new.toml",
                  "--yes",
                  "--set",
                  `${table}.${key}=${of(id)}`
                ])
                .slice(0, 1),
              ["init", "new.toml", "--yes", "--set", `databricks.host=${user("databricks.host")}`],
              [
                "init",
                "new.toml",
                "--yes",
                "--set",
                `observability.base_url=${user("observability.base_url")}`
              ]
            ]
          }
        ]
        yield* perform(outputs, cases)
        Outputs.judge(canaries, outputs, world.sent())
        for (const [where] of outputs) {
          if (/ of (?:run|config show) /.test(where)) assert.match(where, /ended with 78/)
        }
        for (const { id } of alone) {
          assert.include(Outputs.text(outputs, /error of run \(tables for texts\)/), id)
        }
      }).pipe(Effect.scoped),
    120_000
  )
})
