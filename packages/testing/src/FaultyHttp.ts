/**
 * Faults around any HttpClient: a fake of a tool, a recording, or a real connection. What goes wrong is an `HttpFault` (or a
 * `ServerFault`), when it does is said with it, and each request is counted and remembered.
 *
 * ```ts
 * import * as FaultyHttp from "@observability-agents/testing/FaultyHttp"
 * import * as HttpFault from "@observability-agents/testing/HttpFault"
 * import { Effect } from "effect"
 * import { HttpClient, HttpServerResponse } from "effect/http"
 *
 * const tool = HttpClient.make((request) =>
 *   Effect.succeed(HttpServerResponse.toClientResponse(HttpServerResponse.jsonUnsafe({ runs: [] }), { request }))
 * )
 *
 * export const program = Effect.gen(function* () {
 *   const faulty = yield* FaultyHttp.make(tool)
 *   yield* faulty.storm({ share: 0.3, retryAfter: "5", during: "10 minutes" })
 *   yield* faulty.fail(HttpFault.halfOpen(), { times: 2, where: ({ url }) => url.pathname.endsWith("/list") })
 *   // Give `faulty.client` to the agent, as one of its hosts.
 *   return yield* faulty.requests
 * })
 * ```
 */
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as FaultScript from "./FaultScript.ts"
import type { BodyFault, HttpFault } from "./HttpFault.ts"
import * as ServerFault from "./ServerFault.ts"

/** A request that went through the client, whether something struck it or not. */
export interface Asked {
  readonly method: string
  readonly url: URL
  /** By name in lower case, as they were sent: credentials too. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The body, where it is text that is there before it is sent; otherwise empty. */
  readonly body: string
  readonly at: DateTime.Utc
}

/** A request, and what became of it. */
export interface Remembered extends Asked {
  /** What struck it. */
  readonly fault: HttpFault | undefined
  /** Whether a change of JSON found something to change. */
  readonly isChanged: boolean
}

/** When a fault strikes: see {@link FaultScript.When}. */
export type When = FaultScript.When<Asked>

/** Faults around the clients of an `HttpTransport`, or around one client (`make`). */
export class FaultyHttp extends Context.Service<
  FaultyHttp,
  {
    /** From now on, do this instead. The fault that was given first goes first. */
    readonly fail: (fault: HttpFault, when?: When) => Effect.Effect<void>
    /**
     * From now on there are too many requests: 429, all of them or a share, with or without `Retry-After` (seconds, or an HTTP
     * date).
     */
    readonly storm: (when?: When & { readonly retryAfter?: string | undefined }) => Effect.Effect<void>
    /** Forgets all faults. */
    readonly recover: Effect.Effect<void>
    /** All requests, in their order. */
    readonly requests: Effect.Effect<ReadonlyArray<Remembered>>
    /** A client with these faults around it: all that are made share one script. */
    readonly around: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  }
>()("@observability-agents/testing/FaultyHttp") {
  /** Puts the faults around every client that the transport makes: the tool's and Observability's. Choose with `where`. */
  static readonly layer: Layer.Layer<FaultyHttp | HttpTransport, never, HttpTransport> = Layer.effectContext(
    Effect.gen(function* () {
      const transport = yield* HttpTransport
      const faulty = yield* makeService()
      return Context.make(FaultyHttp, faulty).pipe(
        Context.add(
          HttpTransport,
          HttpTransport.of({ make: (settings) => Effect.map(transport.make(settings), faulty.around) })
        )
      )
    })
  )
}

/** How chance decides, of a share and of shuffled rows. */
export interface Options {
  readonly seed?: string | undefined
}

/** Puts faults around one client. */
export const make = (
  client: HttpClient.HttpClient,
  options?: Options
): Effect.Effect<FaultyHttp["Service"] & { readonly client: HttpClient.HttpClient }> =>
  Effect.map(makeService(options), (faulty) => ({ ...faulty, client: faulty.around(client) }))

// ---- private

const makeService = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<FaultyHttp["Service"]> {
  const seed = yield* FaultScript.seedOf("faulty http", options.seed)
  const script = yield* FaultScript.make<HttpFault, Asked>({ seed })
  const requests: Array<Remembered> = []
  const lasts = new Map<HttpFault, Map<string, unknown>>()
  const chance = FaultScript.chance(`${seed}: rows`)

  const changed = (
    body: Uint8Array,
    fault: Extract<BodyFault, { readonly _tag: "Changed" }>,
    { url }: Asked
  ): string | undefined => {
    const parsed = Result.try(() => parse(new TextDecoder().decode(body)))
    if (Result.isFailure(parsed)) return undefined
    const known = lasts.get(fault) ?? new Map<string, unknown>()
    const address = `${url.host}${url.pathname}`
    const last = known.get(address)
    lasts.set(fault, known.set(address, parsed.success))
    const next = JSON.stringify(fault.change(parsed.success, { url, last, chance }))
    return next === JSON.stringify(parsed.success) ? undefined : next
  }

  const around = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
    // Not by `make`, which would make a second span for each request.
    HttpClient.transform(client, (work, request) =>
      Effect.gen(function* () {
        const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))
        if (url === undefined) return yield* work
        const asked: Asked = {
          method: request.method,
          url,
          headers: { ...request.headers },
          body: request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "",
          at: yield* DateTime.now
        }
        const fault = script.next(asked)
        const entry = { ...asked, fault, isChanged: false }
        requests.push(entry)
        if (fault === undefined) return yield* work
        switch (fault._tag) {
          case "Slow":
            yield* Effect.sleep(fault.by)
            return yield* work
          case "Answer":
            if (fault.afterWork) yield* Effect.flatMap(work, drained)
            return HttpServerResponse.toClientResponse(ServerFault.response(fault), { request })
          case "Drop":
            if (fault.afterWork) yield* Effect.flatMap(work, drained)
            return yield* broken(request)
          case "Silence":
            if (fault.afterWork) yield* Effect.flatMap(work, drained)
            return yield* Effect.never
          default: {
            const response = yield* work
            const body = new Uint8Array(yield* response.arrayBuffer)
            if (fault._tag !== "Changed") return spoiled(response, body, fault)
            const text = changed(body, fault, asked)
            entry.isChanged = text !== undefined
            return sent(response, text === undefined ? body : new TextEncoder().encode(text))
          }
        }
      })
    )

  const fail: FaultyHttp["Service"]["fail"] = (fault, when) => script.fail(fault, when)
  return {
    fail,
    storm: ({ retryAfter, ...when } = {}) => fail(ServerFault.tooManyRequests(retryAfter), when),
    recover: script.recover,
    requests: Effect.sync(() => [...requests]),
    around
  }
})

/** Integers that JavaScript would round, such as ids of runs, become what `JSON.stringify` writes with all their digits. */
const parse = (text: string): unknown => {
  // SAFETY: Node has it since version 22, and the types of the language do not know it yet.
  const { rawJSON } = JSON as typeof JSON & { readonly rawJSON: (text: string) => unknown }
  return JSON.parse(text, (_, value: unknown, { source = "" }: { readonly source?: string } = {}) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source)
      ? rawJSON(source)
      : value
  )
}

// The connection is needed for the next request, and in real clients it is only free when the body was read.
const drained = (response: HttpClientResponse.HttpClientResponse) => Effect.ignore(response.arrayBuffer)

const broken = (request: HttpClientRequest.HttpClientRequest) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({
      request,
      cause: new Error("other side closed"),
      description: "other side closed"
    })
  })

/** The answer with this body instead of its own. */
const sent = (
  { headers, request, status }: HttpClientResponse.HttpClientResponse,
  body: Uint8Array
): HttpClientResponse.HttpClientResponse => {
  const contentType = headers["content-type"]
  return HttpServerResponse.toClientResponse(
    // Its length becomes that of the body.
    HttpServerResponse.uint8Array(body, { status, headers, contentType }),
    { request }
  )
}

/** The answer with its body as the connection lets it through. */
const spoiled = (
  response: HttpClientResponse.HttpClientResponse,
  body: Uint8Array,
  fault: Exclude<BodyFault, { readonly _tag: "Changed" }>
) => {
  const streamed = <E>(stream: Stream.Stream<Uint8Array, E>) => {
    const { headers, status } = response
    const length = Number(headers["content-length"] ?? body.length)
    return HttpServerResponse.toClientResponse(
      HttpServerResponse.stream(stream, {
        status,
        headers,
        contentType: headers["content-type"],
        contentLength: length
      }),
      { request: response.request }
    )
  }
  switch (fault._tag) {
    case "HalfOpen":
      return streamed(Stream.concat(Stream.succeed(body.subarray(0, fault.bytes)), Stream.never))
    case "Cut": {
      const part = body.subarray(0, fault.at < 1 ? Math.floor(body.length * fault.at) : fault.at)
      return fault.isNoticed
        ? streamed(Stream.concat(Stream.succeed(part), Stream.fail(new Error("other side closed"))))
        : sent(response, part)
    }
    case "Trickle": {
      const pieces = Array.from({ length: Math.ceil(body.length / fault.bytes) }, (_, index) =>
        body.subarray(index * fault.bytes, (index + 1) * fault.bytes)
      )
      return streamed(
        Stream.mapEffect(Stream.fromIterable(pieces), (piece) => Effect.as(Effect.sleep(fault.every), piece))
      )
    }
  }
}
