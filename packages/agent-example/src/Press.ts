/**
 * The Handle to the press's news: one connection by websocket after the other.
 *
 * On a new connection we say who we are and since when we want news. The service then says all orders that are still in
 * work, all news since that moment in the order of their times, and from then on what happens, with a ping in between.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { PressError, unknownToken } from "./PressError.ts"
import { PressSettings } from "./PressSettings.ts"
import * as Run from "./Run.ts"

/** The news of a press. */
export class Press extends Context.Service<
  Press,
  {
    /**
     * Gives what waits for the next message. It connects by itself, first and whenever the connection before has failed,
     * and asks `since` each time from when on news are wanted. After an error, just wait for the next message again.
     */
    readonly listen: <E>(
      since: Effect.Effect<DateTime.Utc, E>
    ) => Effect.Effect<Effect.Effect<Run.Message, PressError | E>, never, Scope.Scope>
  }
>()("@observability-agents/agent-example/Press") {
  /** The press of the settings. The platform brings the websocket. */
  static readonly layer: Layer.Layer<Press, Config.ConfigError, Socket.WebSocketConstructor> = Layer.effect(
    Press,
    Effect.gen(function* () {
      const settings = yield* PressSettings.config
      const socket = yield* Socket.makeWebSocket(`${settings.url.replace(/^http/i, "ws")}/news`, {
        openTimeout: settings.connectTimeout
      })
      return Press.of({ listen: (since) => listen(connect(socket, settings), since) })
    })
  )
}

// ---- private parts

/** Waits for the next message of a connection. */
type Next = Effect.Effect<Run.Message, PressError>

const listen = Effect.fnUntraced(function* <E>(
  connect: (since: DateTime.Utc) => Effect.Effect<Next, PressError, Scope.Scope>,
  since: Effect.Effect<DateTime.Utc, E>
) {
  const scope = yield* Effect.scope
  let open: { readonly next: Next; readonly scope: Scope.Closeable } | undefined
  let isFirst = true

  const hangUp = Effect.suspend(() => {
    const last = open
    open = undefined
    return last === undefined ? Effect.void : Scope.close(last.scope, Exit.void)
  })
  return Effect.gen(function* () {
    if (open === undefined) {
      // Where many agents lose the same service, they do not come back at the same moment.
      if (!isFirst) yield* Effect.sleep(yield* Random.nextBetween(0, MAX_JITTER_MILLIS))
      isFirst = false
      const own = yield* Scope.fork(scope)
      const next = yield* Effect.flatMap(since, connect).pipe(
        Scope.provide(own),
        Effect.onError(() => Scope.close(own, Exit.void))
      )
      open = { next, scope: own }
    }
    return yield* open.next
  }).pipe(
    Effect.onError(() => hangUp),
    Effect.withSpan("Press.next")
  )
})

const MAX_JITTER_MILLIS = 2000

const connect = (socket: Socket.Socket, settings: PressSettings) =>
  Effect.fn("Press.connect")(function* (since: DateTime.Utc) {
    const failed = explain(settings.url)
    const { pull } = yield* Effect.mapError(socket.reader, failed)
    const { write } = yield* socket.writer
    const hello = { token: Redacted.value(settings.token), since: DateTime.formatIso(since) }
    yield* Effect.mapError(write(JSON.stringify(hello)), failed)

    const frames: Array<string | Uint8Array> = []
    let patience = settings.firstMessageTimeout
    const frame = Effect.gen(function* () {
      if (frames.length === 0) {
        const batch = yield* Effect.mapError(pull, failed).pipe(
          Effect.timeoutOrElse({
            duration: patience,
            orElse: () => Effect.fail(silent(settings.url, patience))
          })
        )
        patience = settings.idleTimeout
        frames.push(...batch)
      }
      return frames.shift()
    })
    return Effect.gen(function* () {
      for (;;) {
        const message = decode(yield* frame)
        if (Result.isSuccess(message)) return message.success
        // One that cannot be read must not keep us from all that follow.
        yield* Effect.annotateLogs(
          Effect.logWarning("A message of the press cannot be read and is left out"),
          {
            reason: message.failure.message
          }
        )
      }
    })
  })

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Run.Message))

const silent = (url: string, patience: Duration.Duration) =>
  new PressError({
    reason: "Silent",
    message: `The press at ${url} said nothing for ${Duration.format(patience)}. The connection is opened anew.`
  })

/** What happened to a connection, in words. */
const explain =
  (url: string) =>
  ({ reason }: Socket.SocketError): PressError => {
    switch (reason._tag) {
      case "SocketOpenError":
        return new PressError({
          reason: "Unreachable",
          message: `The press at ${url} cannot be reached: ${reason.kind === "Timeout" ? "it took too long (connect_timeout)" : words(reason.cause)}. Check \`url\` of [press].`
        })
      case "SocketCloseError":
        if (reason.code === UNKNOWN_TOKEN) return unknownToken(url)
        return new PressError({
          reason: "Closed",
          message: `The press at ${url} closed the connection (${reason.message}).`
        })
      default:
        return new PressError({
          reason: "Closed",
          message: `The connection to the press at ${url} broke.`
        })
    }
  }

/** The code by which the service closes a connection whose token it does not know. */
const UNKNOWN_TOKEN = 4401

const words = (cause: unknown): string =>
  Predicate.hasProperty(cause, "message") && typeof cause.message === "string" && cause.message !== ""
    ? cause.message
    : "no connection"
