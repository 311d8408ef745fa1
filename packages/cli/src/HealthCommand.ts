/** `observability-agent health`: asks a running agent whether it is well, for container images and scripts. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { usage } from "./CommandFailed.ts"
import { type Environment, json } from "./Environment.ts"
import * as StatusClient from "./StatusClient.ts"
import * as Table from "./Table.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make(
    "health",
    {
      ready: Flag.Boolean("ready").pipe(
        Flag.withDescription("Does it do its work: sources read and events sent lately? The default"),
        Flag.withDefault(false)
      ),
      live: Flag.Boolean("live").pipe(
        Flag.withDescription("Only: would a restart not help? For HEALTHCHECK and liveness probes"),
        Flag.withDefault(false)
      ),
      ...StatusClient.flags,
      json
    },
    (given) =>
      Effect.gen(function* () {
        if (given.live && given.ready) return yield* usage("Give one of --live and --ready.")
        const kind = given.live ? "live" : "ready"
        const target = yield* StatusClient.find(environment, given)
        if (Option.isNone(target)) {
          const text = "Nothing to ask: no port of [status] is set, so the agent has no status server."
          return yield* Console.log(given.json ? Table.jsonLine({ kind, ok: null, reasons: [text] }) : text)
        }
        const answer = yield* StatusClient.health(target.value, kind).pipe(
          Effect.map(({ ok, reasons }) => ({
            ok,
            reasons: reasons.map(({ part, reason, since }) =>
              since === null ? `${part}: ${reason}` : `${part}: ${reason} (since ${since})`
            )
          })),
          Effect.catchTag("StatusFailed", ({ message }) => Effect.succeed({ ok: false, reasons: [message] }))
        )
        const words =
          answer.reasons.length > 0
            ? answer.reasons.join("; ")
            : "it says no more without the token of [status] (--token-file)"
        yield* Console.log(
          given.json ? Table.jsonLine({ kind, ...answer }) : answer.ok ? kind : `not ${kind}: ${words}`
        )
        if (!answer.ok) return yield* new NotHealthy()
      })
  ).pipe(
    Command.withDescription(
      "Asks the status server of a running agent whether it is ready (sources are read and events are sent) or, with --live, whether a restart would not help. Prints one line. Exit code 0 for yes, 1 for no and for no answer. Where the settings have no status server there is nothing to ask, which is told, with exit code 0."
    ),
    Command.withShortDescription("Asks a running agent whether it is well; exit code 0 or 1."),
    Command.withExamples([
      { command: `${environment.name} health`, description: "Ready?" },
      {
        command: `${environment.name} health --live`,
        description: `In a Dockerfile: HEALTHCHECK CMD ${environment.name} health --live`
      },
      {
        command: `${environment.name} health --url http://etl-1:8080 --token-file token.txt`,
        description: "An agent elsewhere"
      }
    ])
  )

/** The answer was no, or there was none; it has been printed. */
export class NotHealthy extends Schema.TaggedError<NotHealthy>()("NotHealthy", {}) {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return "The agent is not well."
  }
}
