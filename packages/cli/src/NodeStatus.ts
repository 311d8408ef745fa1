/**
 * The status server on Node: listens where `[status]` says, as long as the agent is there, and answers by `StatusApp`.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import type { Health } from "@observability-agents/core/Health"
import type { Outbox } from "@observability-agents/core/Outbox"
import * as Reload from "@observability-agents/core/Reload"
import * as Status from "@observability-agents/core/Status"
import * as StatusApp from "@observability-agents/core/StatusApp"
import { StatusSettings } from "@observability-agents/core/StatusSettings"
import { Unrecoverable } from "@observability-agents/core/Supervisor"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import type * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as StatusSocket from "./StatusSocket.ts"

/** Serves the status of the agent that this is given beside (`Agent.Options`). Nothing where no port is set. */
export const layer = (
  identity: Omit<Status.Identity, "startedAt">
): Layer.Layer<never, Config.ConfigError | Unrecoverable, Outbox | Health | Agent.Onlooker> =>
  Layer.unwrap(
    // Asked once: the status server may be started anew, but the agent is not.
    Effect.map(DateTime.now, (startedAt) =>
      Reload.part(
        {
          name: "status server",
          reads: [
            Reload.reads(StatusSettings),
            Reload.reads(CoreSettings, "healthGrace"),
            // What a request may take is no hanging.
            Reload.reads(HttpSettings, "readTimeout", "retries"),
            Reload.reads(ObservabilitySettings, "readTimeout", "retries")
          ]
        },
        Layer.unwrap(
          Effect.map(StatusSettings.config, ({ port, ...settings }) =>
            port === undefined
              ? Layer.empty
              : Layer.provide(serve({ ...settings, port }), Status.layer({ ...identity, startedAt }))
          )
        )
      )
    )
  )

const serve = (options: StatusSettings & { readonly port: number }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { answer } = yield* StatusApp.make({
        token: options.token,
        hosts: [...options.hosts, options.host]
      })
      const server = StatusSocket.make()
      const http = yield* NodeHttpServer.make(() => server, {
        host: options.host.replace(/^\[(.*)\]$/, "$1"),
        port: options.port,
        // Whoever listens to /events does so for ever: a stop does not wait for them.
        gracefulShutdownTimeout: "100 millis"
      }).pipe(Effect.mapError((error) => unusable(options, error)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
      // A request's span would hold its address, and that a token.
      yield* Effect.provideService(http.serve(answer), HttpMiddleware.TracerDisabledWhen, () => true)
      const port = http.address._tag === "UnixPathAddress" ? options.port : http.address.port
      const host = /:/.test(options.host) ? `[${options.host.replace(/[[\]]/g, "")}]` : options.host
      yield* Effect.annotateLogs(Effect.logInfo("Status server listens"), { url: `http://${host}:${port}/` })
    })
  )

const CONFIGURATION = 78
/** A port that is taken may be free a moment later, as when the agent before has not ended yet: it is worth another try. */
const UNAVAILABLE = 69

const unusable = (
  { host, port }: { readonly host: string; readonly port: number },
  { cause }: HttpServerError.ServeError
): Unrecoverable => {
  const code = Predicate.hasProperty(cause, "code") ? cause.code : undefined
  const why =
    code === "EADDRINUSE"
      ? "another program listens there. Choose another `port` of [status], or leave it out to have no status server."
      : code === "EACCES"
        ? "this user may not listen there. Choose a `port` of [status] from 1024 on."
        : code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
          ? "this machine does not have that address. Check `host` of [status]."
          : `${String(code ?? cause)}. Check \`host\` and \`port\` of [status].`
  return new Unrecoverable({
    exitCode: code === "EADDRINUSE" ? UNAVAILABLE : CONFIGURATION,
    message: `The status server cannot listen on ${host}, port ${port}: ${why}`,
    cause
  })
}
