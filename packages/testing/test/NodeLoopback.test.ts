import * as NodeLoopback from "@observability-agents/testing/NodeLoopback"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { FetchHttpClient, HttpClient, HttpServerRequest, HttpServerResponse } from "effect/http"

const get = (url: string) =>
  Effect.flatMap(HttpClient.get(url), ({ text }) => text).pipe(Effect.provide(FetchHttpClient.layer))

describe("a fake on a port of this machine", () => {
  it.live("answers what it answers inside of the process, until its scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const answer = Effect.map(HttpServerRequest.HttpServerRequest, ({ url }) =>
        HttpServerResponse.text(`you asked for ${url}`)
      )
      const origin = yield* Scope.provide(NodeLoopback.serve(answer), scope)
      assert.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/)
      assert.strictEqual(yield* get(`${origin}/runs?page=2`), "you asked for /runs?page=2")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(get(origin))).reason._tag, "TransportError")
      // Nobody holds the port any more.
      const again = NodeLoopback.serve(answer, { port: Number(new URL(origin).port) })
      assert.strictEqual(yield* Effect.scoped(again), origin)
    })
  )

  it.live("closes the connection where it fails to answer", () =>
    Effect.gen(function* () {
      const origin = yield* NodeLoopback.serve(Effect.fail("nothing to say"))
      assert.strictEqual((yield* Effect.flip(get(origin))).reason._tag, "TransportError")
    })
  )

  it.live("notices when nobody waits for an answer any more, and cuts off who still waits when it ends", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const left = yield* Deferred.make<void>()
      const silence = Effect.andThen(Deferred.succeed(asked, undefined), Effect.never).pipe(
        Effect.onInterrupt(() => Deferred.succeed(left, undefined))
      )
      const scope = yield* Scope.make()
      const origin = yield* Scope.provide(NodeLoopback.serve(silence), scope)
      const impatient = yield* Effect.forkScoped(get(origin))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(impatient)
      yield* Deferred.await(left)

      const patient = yield* Effect.forkScoped(Effect.flip(get(origin)))
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(patient)).reason._tag, "TransportError")
    })
  )
})
