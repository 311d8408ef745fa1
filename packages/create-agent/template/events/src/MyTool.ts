/**
 * The Handle to the tool: its news, over one websocket after the other, and what may go wrong, in words for people.
 *
 * YOUR TOOL: this is its protocol as the agent sees it. On a new connection we say who we are and since when we want news. The
 * tool then tells all runs that are not over yet, all that has happened since that moment in its order, and from then on what
 * happens, with a ping every ten seconds. Of another protocol you change `hello` and `Run.Message`; that a connection is
 * given up that says nothing any more, and another one is opened, stays the same.
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
import { MyToolSettings } from "./MyToolSettings.ts"
import * as Run from "./Run.ts"

/** The tool cannot be read at the moment. `message` says why, and what to do where somebody can do something. */
export class MyToolError extends Schema.TaggedError<MyToolError>()("MyToolError", {
  reason: Schema.Literals(["Unreachable", "Unauthorized", "Silent", "Closed"]),
  message: Schema.String
}) {}

/** The news of the tool. */
export class MyTool extends Context.Service<
  MyTool,
  {
    /**
     * Gives what waits for the next message. It connects by itself, first and whenever the connection before has failed,
     * and asks `since` each time from when on news are wanted. After an error, just wait for the next message again.
     */
    readonly listen: <E>(
      since: Effect.Effect<DateTime.Utc, E>
    ) => Effect.Effect<Effect.Effect<Run.Message, MyToolError | E>, never, Scope.Scope>
  }
>()("@my-scope/my-tool/MyTool") {
  /** The tool of the settings. The platform brings the websocket. */
  static readonly layer: Layer.Layer<MyTool, Config.ConfigError, Socket.WebSocketConstructor> = Layer.effect(
    MyTool,
    Effect.gen(function* () {
      const settings = yield* MyToolSettings.config
      const socket = yield* Socket.makeWebSocket(
        `${settings.url.replace(/^http/i, "ws").replace(/\/+$/, "")}/news`,
        { openTimeout: settings.connectTimeout }
      )
      return MyTool.of({ listen: (since) => listen(connect(socket, settings), since) })
    })
  )
}

// ---- private parts

/** What we say first on a new connection. */
const hello = (settings: MyToolSettings, since: DateTime.Utc): string =>
  JSON.stringify({ token: Redacted.value(settings.token), since: DateTime.formatIso(since) })

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Run.Message))

/** The code by which the tool closes a connection whose token it does not know. */
const UNKNOWN_TOKEN = 4401

/** Waits for the next message of a connection. */
type Next = Effect.Effect<Run.Message, MyToolError>

/** One connection after the other: where one fails, the next wait opens another. */
const listen = Effect.fnUntraced(function* <E>(
  connect: (since: DateTime.Utc) => Effect.Effect<Next, MyToolError, Scope.Scope>,
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
      // Where many agents lose the same tool, they do not come back at the same moment.
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
    Effect.withSpan("MyTool.next")
  )
})

const MAX_JITTER_MILLIS = 2000

/** One connection, which is given up when it is silent for too long: it may be half gone without anybody being told. */
const connect = (socket: Socket.Socket, settings: MyToolSettings) =>
  Effect.fn("MyTool.connect")(function* (since: DateTime.Utc) {
    const failed = explain(settings.url)
    const { pull } = yield* Effect.mapError(socket.reader, failed)
    const { write } = yield* socket.writer
    yield* Effect.mapError(write(hello(settings, since)), failed)

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
        yield* Effect.annotateLogs(Effect.logWarning("A message of My Tool cannot be read and is left out"), {
          reason: message.failure.message
        })
      }
    })
  })

const silent = (url: string, patience: Duration.Duration) =>
  new MyToolError({
    reason: "Silent",
    message: `My Tool at ${url} said nothing for ${Duration.format(patience)}. The connection is opened anew.`
  })

/** What happened to a connection, in words. */
const explain =
  (url: string) =>
  ({ reason }: Socket.SocketError): MyToolError => {
    switch (reason._tag) {
      case "SocketOpenError":
        return new MyToolError({
          reason: "Unreachable",
          message: `My Tool at ${url} cannot be reached: ${reason.kind === "Timeout" ? "it took too long (connect_timeout)" : words(reason.cause)}. Check \`url\` of [my_tool].`
        })
      case "SocketCloseError":
        if (reason.code === UNKNOWN_TOKEN)
          return new MyToolError({
            reason: "Unauthorized",
            message: `My Tool at ${url} does not let us in. Check \`token\` of [my_tool].`
          })
        return new MyToolError({
          reason: "Closed",
          message: `My Tool at ${url} closed the connection (${reason.message}).`
        })
      default:
        return new MyToolError({
          reason: "Closed",
          message: `The connection to My Tool at ${url} broke.`
        })
    }
  }

const words = (cause: unknown): string =>
  Predicate.hasProperty(cause, "message") && typeof cause.message === "string" && cause.message !== ""
    ? cause.message
    : "no connection"
