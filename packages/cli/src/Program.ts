/**
 * The program `observability-agent`: its commands, their help, and what they print. Results go to the standard
 * output, log lines and problems to the standard error stream. Exit codes: 0 done, 64 wrong usage, 69 a service
 * cannot be reached (`check`, `backfill`), 70 internal error, 74 the state file cannot be used, 77 not let in (`check`,
 * `backfill`), 78 settings.
 */
import * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import * as Observability from "@observability-agents/toolkit/Observability"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { agents } from "./Agents.ts"
import * as BackfillCommand from "./BackfillCommand.ts"
import * as DeadLetters from "./DeadLetters.ts"
import * as Demo from "./Demo.ts"
import { config, type Environment, settled, startup } from "./Environment.ts"
import * as Explain from "./Explain.ts"
import * as OutboxCommand from "./OutboxCommand.ts"

/**
 * Builds the command tree.
 */
export const make = (environment: Environment) =>
  Command.make("observability-agent").pipe(
    Command.withDescription(
      "Watches a data tool and delivers run status, logs, metrics and test outcomes to DataOps Observability."
    ),
    Command.withSubcommands([
      run(environment),
      check(environment),
      Explain.make(environment),
      OutboxCommand.make(environment),
      DeadLetters.make(environment),
      BackfillCommand.make(environment),
      demo(environment)
    ])
  )

const run = (environment: Environment) =>
  Command.make("run", { config }, ({ config }) =>
    Effect.gen(function* () {
      const started = yield* startup(environment, config)
      const { agent, sources } = started
      return yield* Effect.gen(function* () {
        const core = yield* CoreSettings.config
        yield* Effect.logInfo("Agent starts").pipe(
          Effect.annotateLogs({
            agent: core.agentKey,
            type: agent.type,
            version: environment.version,
            settings: sources.file ?? "environment"
          })
        )
        return yield* Agent.run(agent, { version: environment.version }).pipe(
          Effect.onInterrupt(() => Effect.logInfo("Agent stopped"))
        )
      }).pipe(Effect.provide(settled(environment, started)))
    })
  ).pipe(
    Command.withDescription(
      `Runs the agent that the setting agent_type names (${agents.map((agent) => agent.type).join(", ")}) until it is stopped.`
    ),
    Command.withExamples([
      { command: "observability-agent run", description: "With ./agent.toml and the environment" },
      {
        command: "observability-agent run --config /etc/databricks-agent.toml",
        description: "With a given file"
      }
    ])
  )

const check = (environment: Environment) =>
  Command.make("check", { config }, ({ config }) =>
    Effect.gen(function* () {
      const started = yield* startup(environment, config)
      const { agent, sources } = started
      const line = (good: boolean, what: string, text: string) =>
        Console.log(`${mark(environment, good)} ${what.padEnd(14)} ${text}`)
      yield* line(true, "settings", `valid (${sources.file ?? "no file, environment only"})`)
      yield* Effect.gen(function* () {
        const parts: ReadonlyArray<{ readonly what: string; readonly probe: Agent.Agent["check"] }> = [
          { what: "observability", probe: checkServer },
          { what: agent.tool, probe: agent.check }
        ]
        const failures = yield* Effect.forEach(parts, ({ what, probe }) =>
          probe.pipe(
            Effect.matchEffect({
              onSuccess: (text) => Effect.as(line(true, what, text), Option.none<Agent.CheckFailed>()),
              onFailure: (error) =>
                error._tag === "CheckFailed"
                  ? Effect.as(line(false, what, error.message), Option.some(error))
                  : Effect.fail(error)
            })
          )
        )
        const worst = failures.flatMap(Option.toArray).sort((a, b) => b.exitCode - a.exitCode)[0]
        if (worst !== undefined) return yield* new ChecksFailed({ exitCode: worst.exitCode })
      }).pipe(Effect.provide(settled(environment, started)))
    })
  ).pipe(
    Command.withDescription(
      "Validates the settings and talks once to the Observability server and to the tool."
    ),
    Command.withExamples([
      { command: "observability-agent check", description: "Before the first start, or when in doubt" }
    ])
  )

const demo = (environment: Environment) =>
  Command.make(
    "demo",
    {
      plain: Flag.Boolean("plain").pipe(
        Flag.withDescription("No colours and no progress line, also on a terminal"),
        Flag.withDefault(false)
      ),
      speed: Flag.Int("speed").pipe(
        Flag.withDescription("How many times as fast as real time the half hour passes (10 to 300)"),
        Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 300 }))),
        Flag.withDefault(90)
      )
    },
    ({ plain, speed }) =>
      Demo.run({ styled: environment.colours && !plain, speed, version: environment.version })
  ).pipe(
    Command.withDescription(
      "Runs the Databricks agent for half an hour of made-up jobs, at high speed, against a workspace and a server in this process."
    )
  )

/**
 * At least one check found something wrong; what it was has been printed.
 */
export class ChecksFailed extends Schema.TaggedError<ChecksFailed>()("ChecksFailed", {
  exitCode: Schema.Int
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return "Not everything is as it should be; see above."
  }
}

const checkServer = Effect.scoped(
  Effect.gen(function* () {
    const { serviceAccountKey: key, ...settings } = yield* ObservabilitySettings.config
    const observability = yield* Observability.make({ ...settings, key })
    yield* observability.ready
    yield* observability.authorized
    return `${settings.baseUrl} is ready and takes the service account key`
  }).pipe(
    Effect.catchTag("ObservabilityError", (error) =>
      Effect.fail(
        new Agent.CheckFailed({
          message: error.message,
          exitCode: error.reason._tag === "Unauthorized" ? 77 : 69
        })
      )
    )
  )
)

const mark = (environment: Environment, good: boolean): string => {
  const text = good ? "ok  " : "FAIL"
  return environment.colours ? `\u001b[${good ? 32 : 31}m${text}\u001b[0m` : text
}
