/**
 * What `check` says of the Observability server: whether it is ready, and whether it takes the key for events and for
 * heartbeats, which need a permission each. Nothing is stored there by it.
 */
import * as Agent from "@observability-agents/core/Agent"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Observability from "@observability-agents/toolkit/Observability"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"

type Server = Observability.Observability["Service"]

/** A check with the answer for `settings.baseUrl`. */
const probe = (
  leftOut: string,
  ask: (server: Server) => ReturnType<Server["post"]>,
  words: (baseUrl: string) => string
): Agent.Check["probe"] =>
  Effect.scoped(
    Effect.gen(function* () {
      const { serviceAccountKey: key, ...settings } = yield* ObservabilitySettings.config
      const server = yield* Effect.provideService(
        Observability.make({ ...settings, key }),
        HttpTransport,
        without(leftOut, yield* HttpTransport)
      )
      yield* ask(server)
      return words(Observability.shownBaseUrl(settings.baseUrl))
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

/**
 * Both APIs of the server are asked for their permission at once, and one that refuses hides what the other says. So requests
 * to the one that is left out are answered here, as it answers a key that it takes and a body that it does not.
 */
const without = (path: string, transport: HttpTransport["Service"]): HttpTransport["Service"] =>
  HttpTransport.of({
    make: (settings) =>
      Effect.map(transport.make(settings), (client) =>
        HttpClient.make((request, url) =>
          url.pathname.endsWith(path)
            ? Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}", { status: 400 })))
            : client.execute(request)
        )
      )
  })

const EVENTS = "/events/v1/run-status"
const HEARTBEAT = "/agent/v1/heartbeat"

/** The checks, in the order in which they are told. */
export const checks: ReadonlyArray<Agent.Check> = [
  {
    what: "observability",
    probe: probe(
      HEARTBEAT,
      ({ authorized, ready }) => Effect.andThen(ready, authorized),
      (baseUrl) => `${baseUrl} is ready and takes events with the service account key`
    )
  },
  {
    what: "heartbeat",
    probe: probe(
      EVENTS,
      ({ authorized }) => authorized,
      () => "the service account key is allowed to send signs of life (Agent API)"
    )
  }
]
