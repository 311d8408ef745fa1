/**
 * The press itself, on a port of the loopback interface: the small service that the agents watch. It sends its news by
 * websocket, answers for its orders by HTTP, and can be made to fail in the ways of real ones.
 */
import * as NodeLoopback from "@observability-agents/testing/NodeLoopback"
import { DateTime, Deferred, Effect, Queue, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { Socket } from "effect/socket"
import * as Run from "../../src/Run.ts"

/** What the service knows of a moment: an order as it was then. */
interface News {
  readonly at: DateTime.Utc
  readonly order: Run.Order
}

const Hello = Schema.fromJsonString(
  Schema.Struct({ token: Schema.String, since: Schema.DateTimeUtcFromString })
)
const encodeMessage = Schema.encodeSync(Schema.fromJsonString(Run.Message))
const encodeOrders = Schema.encodeSync(Schema.fromJsonString(Schema.Array(Run.Order)))

const isOpen = ({ state }: Run.Order) => state === "waiting" || state === "printing"

/** Serves a press until the Scope closes. */
export const make = Effect.fnUntraced(function* (options: {
  readonly token: string
  /** Any that is free unless given. */
  readonly port?: number | undefined
  /** Time between two pings, in milliseconds. */
  readonly pingMillis?: number | undefined
}) {
  const pingMillis = options.pingMillis ?? 10_000
  let isDumb = false
  const log: Array<News> = []
  const lines = new Set<{
    readonly out: Queue.Queue<string>
    readonly cut: Deferred.Deferred<void>
    isMute: boolean
  }>()
  const asked: Array<DateTime.Utc> = []

  /** Orders in work and what has changed since, in the order of their times. */
  const since = (moment: DateTime.Utc): ReadonlyArray<News> => {
    const latest = new Map(log.map((news) => [news.order.id, news]))
    return log
      .filter(
        (news) =>
          DateTime.isGreaterThanOrEqualTo(news.at, moment) ||
          (isOpen(news.order) && latest.get(news.order.id) === news)
      )
      .toSorted((a, b) => a.at.epochMilliseconds - b.at.epochMilliseconds)
  }

  const ping = Effect.map(DateTime.now, (at) => encodeMessage({ type: "ping", at }))

  const converse = Effect.fnUntraced(function* (socket: Socket.Socket) {
    const { pull } = yield* socket.reader
    const { write } = yield* socket.writer
    const [first] = yield* pull
    const hello = yield* Schema.decodeUnknownEffect(Hello)(first)
    if (hello.token !== options.token) return yield* write(new Socket.CloseEvent(4401, "unknown token"))
    asked.push(hello.since)
    const line = { out: yield* Queue.unbounded<string>(), cut: yield* Deferred.make<void>(), isMute: isDumb }
    for (const news of since(hello.since))
      yield* Queue.offer(line.out, encodeMessage({ type: "order", ...news }))
    yield* Queue.offer(line.out, yield* ping)
    yield* Effect.acquireRelease(
      Effect.sync(() => lines.add(line)),
      () => Effect.sync(() => lines.delete(line))
    )
    const say = Effect.flatMap(Queue.take(line.out), (text) => (line.isMute ? Effect.void : write(text)))
    const pinging = Effect.flatMap(ping, (text) => Queue.offer(line.out, text)).pipe(
      Effect.delay(pingMillis),
      Effect.forever
    )
    yield* Effect.raceAllFirst([Effect.forever(say), pinging, Effect.forever(pull), Deferred.await(line.cut)])
  })

  const answer = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const url = new URL(request.url, "http://press")
    if (url.pathname === "/news") {
      const socket = yield* request.upgrade
      yield* Effect.ignore(Effect.interruptible(Effect.scoped(converse(socket))))
      return HttpServerResponse.empty()
    }
    if (request.headers["authorization"] !== `Bearer ${options.token}`)
      return HttpServerResponse.empty({ status: 401 })
    const moment = DateTime.makeUnsafe(url.searchParams.get("since") ?? 0)
    const latest = new Map(since(moment).map(({ order }) => [order.id, order]))
    return HttpServerResponse.text(encodeOrders([...latest.values()]), { contentType: "application/json" })
  })

  const url = yield* NodeLoopback.serve(answer, options)

  const tell = (news: News) =>
    Effect.forEach(lines, ({ out }) => Queue.offer(out, encodeMessage({ type: "order", ...news })), {
      discard: true
    })
  const cut = Effect.suspend(() =>
    Effect.forEach(lines, (line) => Deferred.succeed(line.cut, undefined), { discard: true })
  )

  return {
    url,
    /** Since when news were asked for, connection by connection. */
    asked: asked as ReadonlyArray<DateTime.Utc>,
    /** How many listen now. */
    listeners: () => lines.size,
    /** Writes news down and tells them. */
    publish: Effect.fnUntraced(function* (order: Run.Order, at?: DateTime.Utc) {
      const news = { at: at ?? (yield* DateTime.now), order }
      log.push(news)
      yield* tell(news)
    }),
    /** Tells again what was told already. */
    repeat: Effect.suspend(() => Effect.forEach([...log], tell, { discard: true })),
    /** Something that is no message. */
    babble: Effect.suspend(() =>
      Effect.forEach(lines, ({ out }) => Queue.offer(out, '{"type":"advert"}'), { discard: true })
    ),
    /** Closes all connections. */
    cut,
    /** Says nothing any more on the connections that are open, and keeps them: they are half gone, and nobody is told. */
    freeze: Effect.sync(() => {
      for (const line of lines) line.isMute = true
    }),
    /** From now on takes new connections and says nothing on them. */
    beDumb: Effect.sync(() => {
      isDumb = true
    })
  }
})

/** What {@link make} gives. */
export type NodePress = Effect.Success<ReturnType<typeof make>>
