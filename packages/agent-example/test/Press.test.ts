import { NodeWS } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { Context, DateTime, Effect, Layer, type Scope } from "effect"
import * as NodeNet from "node:net"
import { Press } from "../src/Press.ts"
import * as NodePress from "./support/NodePress.ts"
import { printing } from "./support/orders.ts"

/** The Handle to a service at this address, on real sockets. */
const handle = (url: string, settings: Record<string, unknown> = {}) =>
  Layer.build(
    Press.layer.pipe(
      Layer.provide(NodeWS.layerWebSocketConstructor),
      Layer.provide(SettingsFixture.layer({ press: { url, token: "a-token", ...settings } })),
      Layer.provide(FakeObservability.layer)
    )
  ).pipe(Effect.map((context) => Context.get(context, Press)))

const begin = DateTime.makeUnsafe("2026-01-05T08:00:00Z")

const test = <E>(name: string, body: Effect.Effect<void, E, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(body))

describe("the Handle to the news of a press", () => {
  test(
    "hears news, also those that begin before it listens, and asks anew where the connection broke",
    Effect.gen(function* () {
      const press = yield* NodePress.make({ token: "a-token" })
      yield* press.publish(printing("1", begin), DateTime.add(begin, { seconds: 1 }))
      const moments = [begin, DateTime.add(begin, { seconds: 5 })]
      const { listen } = yield* handle(press.url)
      const next = yield* listen(Effect.sync(() => moments.shift() ?? begin))
      const first = yield* next
      assert.strictEqual(first.type === "order" ? first.order.id : "", "1")
      assert.strictEqual((yield* next).type, "ping")

      yield* press.publish(printing("2", begin), DateTime.add(begin, { seconds: 9 }))
      const second = yield* next
      assert.strictEqual(second.type === "order" ? second.order.id : "", "2")

      yield* press.cut
      assert.strictEqual((yield* Effect.flip(next)).reason, "Closed")
      // What is still in work is told again, however old.
      assert.strictEqual((yield* next).type, "order")
      assert.deepStrictEqual(press.asked.map(DateTime.formatIso), [
        "2026-01-05T08:00:00.000Z",
        "2026-01-05T08:00:05.000Z"
      ])
    })
  )

  test(
    "gives up a connection on which nothing comes any more, though it is open",
    Effect.gen(function* () {
      const press = yield* NodePress.make({ token: "a-token", pingMillis: 20 })
      const { listen } = yield* handle(press.url, { idle_timeout: 0.2 })
      const next = yield* listen(Effect.succeed(begin))
      yield* next
      yield* next
      yield* press.freeze
      const error = yield* Effect.flip(Effect.forever(next))
      assert.strictEqual(error.reason, "Silent")
      assert.include(error.message, "said nothing for 200ms")
      assert.strictEqual((yield* next).type, "ping")
    })
  )

  test(
    "gives up a service that takes the connection and does not say its first word",
    Effect.gen(function* () {
      const press = yield* NodePress.make({ token: "a-token" })
      yield* press.beDumb
      const { listen } = yield* handle(press.url, { first_message_timeout: 0.1 })
      const error = yield* Effect.flatMap(listen(Effect.succeed(begin)), Effect.flip)
      assert.strictEqual(error.reason, "Silent")
    })
  )

  test(
    "gives up a service that does not open the connection",
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.callback<NodeNet.Server>((resume) => {
          const created = NodeNet.createServer((socket) => socket.on("error", () => {}))
          created.listen(0, "127.0.0.1", () => resume(Effect.succeed(created)))
        }),
        (running) => Effect.sync(() => running.close())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const { listen } = yield* handle(`http://127.0.0.1:${port}`, { connect_timeout: 0.1 })
      const error = yield* Effect.flatMap(listen(Effect.succeed(begin)), Effect.flip)
      assert.strictEqual(error.reason, "Unreachable")
      assert.include(error.message, "connect_timeout")
    })
  )

  test(
    "says who refused it and what to do, and shows no token",
    Effect.gen(function* () {
      const press = yield* NodePress.make({ token: "another-token" })
      const { listen } = yield* handle(press.url)
      const error = yield* Effect.flatMap(listen(Effect.succeed(begin)), Effect.flip)
      assert.strictEqual(error.reason, "Unauthorized")
      assert.strictEqual(
        error.message,
        `The press at ${press.url} does not know the token. Check \`token\` of [press].`
      )
      const nowhere = yield* handle("http://127.0.0.1:1")
      const unreachable = yield* Effect.flatMap(nowhere.listen(Effect.succeed(begin)), Effect.flip)
      assert.strictEqual(unreachable.reason, "Unreachable")
      assert.include(unreachable.message, "ECONNREFUSED")
    })
  )

  test(
    "leaves out what is no message, and hears what follows",
    Effect.gen(function* () {
      const press = yield* NodePress.make({ token: "a-token" })
      const { listen } = yield* handle(press.url)
      const next = yield* listen(Effect.succeed(begin))
      yield* next
      yield* press.babble
      yield* press.publish(printing("1", begin))
      const message = yield* next
      assert.strictEqual(message.type === "order" ? message.order.id : "", "1")
    })
  )
})
