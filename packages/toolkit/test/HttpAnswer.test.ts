import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber } from "effect"
import { HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as HttpAnswer from "../src/HttpAnswer.ts"

const text = (response: HttpClientResponse.HttpClientResponse, within: Duration.Input) =>
  Effect.map(HttpAnswer.text(response, within), (body) => body.text)

const answer = (body: ConstructorParameters<typeof Response>[0], init: ResponseInit = {}) =>
  HttpClientResponse.fromWeb(HttpClientRequest.get("http://host/"), new Response(body, init))

/** A body that sends a chunk whenever it is asked, without end, and tells what became of it. */
const endless = (chunk: Uint8Array) => {
  const seen = { chunks: 0, cancelled: false }
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      seen.chunks += 1
      controller.enqueue(chunk)
    },
    cancel: () => {
      seen.cancelled = true
    }
  })
  return { body, seen }
}

/** A body that begins and never goes on. */
const stuck = () => {
  const seen = { cancelled: false }
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("begun")),
    cancel: () => {
      seen.cancelled = true
    }
  })
  return { body, seen }
}

describe("HttpAnswer", () => {
  it.effect("reads a body up to the limit as a whole, also in pieces", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* text(answer("grüß"), "1 second"), "grüß")
      assert.strictEqual(yield* text(answer(null, { status: 204 }), "1 second"), "")
      const full = "x".repeat(HttpAnswer.MAX_BYTES)
      assert.strictEqual(yield* text(answer(full), "1 second"), full)
      const pieces = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (const byte of new TextEncoder().encode("grüß")) controller.enqueue(Uint8Array.of(byte))
          controller.close()
        }
      })
      assert.strictEqual(yield* text(answer(pieces), "1 second"), "grüß")
    })
  )

  it.effect("reads no more than the limit of a body without end, and ends it there", () =>
    Effect.gen(function* () {
      const { body, seen } = endless(new Uint8Array(100_000).fill(120))
      const read = yield* text(answer(body), "1 second")
      assert.match(read, /^x{1048576}$/)
      assert.isBelow(seen.chunks, 20)
      assert.isTrue(seen.cancelled)
    })
  )

  it.effect("waits no longer than it may for a body, all in all", () =>
    Effect.gen(function* () {
      const { body, seen } = stuck()
      const reading = yield* Effect.forkChild(text(answer(body), "60 seconds"))
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* Fiber.join(reading), "")
      assert.isTrue(seen.cancelled)
    })
  )

  it.effect("gives a connection back, however large or slow the body", () =>
    Effect.gen(function* () {
      const large = endless(new Uint8Array(50_000))
      yield* HttpAnswer.discard(answer(large.body))
      assert.isTrue(large.seen.cancelled)
      const slow = stuck()
      const discarding = yield* Effect.forkChild(HttpAnswer.discard(answer(slow.body)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(discarding)
      assert.isTrue(slow.seen.cancelled)
      yield* HttpAnswer.discard(answer(null, { status: 204 }))
    })
  )
})
