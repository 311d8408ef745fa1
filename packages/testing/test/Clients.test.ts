import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as Event from "@observability-agents/toolkit/Event"
import type { Heartbeat } from "@observability-agents/toolkit/ObservabilityApi"
import { ObservabilityError } from "@observability-agents/toolkit/ObservabilityError"
import * as Promises from "@observability-agents/toolkit/promise"
import * as Sync from "@observability-agents/toolkit/sync"
import { Effect, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { hardMetadata } from "./hardMetadata.ts"

/** An event that the types do not admit, as untyped code makes it. */
const withMetadata = (metadata: unknown): Event.Event => ({
  ...Event.messageLog({ pipelineKey: "p", runKey: "r", level: "INFO", message: "m" }),
  // SAFETY: the tests are about what happens when this is not true.
  metadata: metadata as Record<string, never>
})

const ring: Record<string, unknown> = {}
ring["a"] = ring

const unfit: ReadonlyArray<[string, unknown]> = [
  ["a date", { a: new Date(0) }],
  ["a map", { a: new Map([[1, 2]]) }],
  ["a ring", ring],
  ["a function", { a: () => 1 }],
  ["a symbol", { a: Symbol("s") }],
  ["a big integer", { a: 1n }],
  ["nothing", { a: undefined }],
  ["no number", { a: Number.NaN }]
]

const options = { baseUrl: "http://user:canary@127.0.0.1:1/api/", key: "k", retries: 0 }

const caught = (throwing: () => void): unknown => {
  try {
    throwing()
    return "nothing was thrown"
  } catch (error) {
    return error
  }
}

describe("the blocking client", () => {
  it.each(unfit)("refuses %s in metadata as the client with promises does", async (_, metadata) => {
    const thrown = caught(() => Sync.ObservabilityClient.make(options).post(withMetadata(metadata)))
    await using client = Promises.ObservabilityClient.make(options)
    const rejected: unknown = await client.post(withMetadata(metadata)).catch((error: unknown) => error)
    assert.instanceOf(thrown, ObservabilityError)
    assert.strictEqual(thrown.reason._tag, "Rejected")
    assert.match(
      thrown.message,
      /^Sending an event to http:\/\/127\.0\.0\.1:1\/api\/events\/v1\/message-log was refused/
    )
    assert.strictEqual(JSON.stringify(thrown), JSON.stringify(rejected))
  })

  it("refuses a heartbeat that breaks rules as the client with promises does", async () => {
    const beat: Heartbeat = { key: "k".repeat(256), tool: "t", version: "1" }
    const thrown = caught(() => Sync.ObservabilityClient.make(options).heartbeat(beat))
    await using client = Promises.ObservabilityClient.make(options)
    const rejected: unknown = await client.heartbeat(beat).catch((error: unknown) => error)
    assert.instanceOf(thrown, ObservabilityError)
    assert.strictEqual(thrown.reason._tag, "Rejected")
    assert.strictEqual(JSON.stringify(thrown), JSON.stringify(rejected))
  })

  it.live(
    "delivers metadata that looks like something else, and names the server of the settings when it refuses",
    () =>
      Effect.gen(function* () {
        const server = yield* FakeObservability
        const child = yield* ChildProcess.make(
          process.execPath,
          [
            "--conditions=@observability-agents/source",
            fileURLToPath(new URL("syncMetadata.ts", import.meta.url))
          ],
          {
            cwd: tmpdir(),
            extendEnv: true,
            env: {
              DK_OBSERVABILITY_BASE_URL: server.baseUrl,
              DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key)
            }
          }
        )
        const output = yield* Stream.mkString(Stream.decodeText(child.all))
        assert.deepStrictEqual(
          (yield* server.events).map(({ metadata }) => metadata),
          [hardMetadata],
          output
        )
        assert.include(
          output,
          `${server.baseUrl.replace(/\/+$/, "")}/events/v1/message-log was refused before`
        )
      }).pipe(Effect.scoped, Effect.provide([NodeFakeObservability.layer(), NodeServices.layer])),
    30_000
  )
})

describe("the client with promises", () => {
  it("says what to do when it is used after it was closed", async () => {
    const client = Promises.ObservabilityClient.make(options)
    await client.close()
    await client.close()
    for (const call of [
      () => client.post(withMetadata({})),
      () => client.heartbeat({ key: "k", tool: "t", version: "1" }),
      () => client.ready()
    ]) {
      const error: unknown = await call().catch((reason: unknown) => reason)
      assert.instanceOf(error, Error)
      assert.match(error.message, /closed: make a new one/)
    }
  })
})
