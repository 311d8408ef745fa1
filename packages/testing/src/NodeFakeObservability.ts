/**
 * The fake Observability server on a real port of the loopback interface, over `node:http`: for clients that need
 * sockets, such as programs under test. Its time is that of the clock it runs on.
 *
 * ```ts
 * import { FakeObservability } from "@observability-agents/testing/FakeObservability"
 * import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
 * import { Console, Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const server = yield* FakeObservability
 *   yield* Console.log(`Send events to ${server.baseUrl}`)
 *   yield* Effect.never
 * }).pipe(Effect.provide(NodeFakeObservability.layer()))
 * ```
 */
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { FakeObservability, type Options } from "./FakeObservability.ts"
import * as Fake from "./FakeObservability.ts"
import * as NodeLoopback from "./NodeLoopback.ts"

/** Where to listen, besides the setup of the server. */
export interface ServeOptions extends Omit<Options, "origin"> {
  /** A port of 127.0.0.1; by default any that is free. */
  readonly port?: number | undefined
}

/** The fake server on a port. Its `baseUrl` tells which; its `client` works as well. A port that is taken is a defect. */
export const layer = (options: ServeOptions = {}): Layer.Layer<FakeObservability> =>
  Layer.effect(FakeObservability, make(options))

/** Serves a fake server until the scope closes, which cuts all connections. */
export const make = Effect.fnUntraced(function* (
  options: ServeOptions = {}
): Effect.fn.Return<FakeObservability["Service"], never, Scope.Scope> {
  const fake = yield* Fake.make(options)
  const answer = Effect.flatMap(HttpServerRequest.HttpServerRequest, fake.handle)
  const origin = yield* NodeLoopback.serve(answer, options)
  const baseUrl = `${origin}${new URL(fake.baseUrl).pathname.replace(/\/$/, "")}`
  return {
    ...fake,
    baseUrl,
    settings: { observability: { ...fake.settings.observability, base_url: baseUrl } }
  }
})
