/**
 * Records what goes through an HTTP client. The client that records passes on what it is asked and what it is answered as it
 * is; what is kept was scrubbed before. Interactions stand in the order in which their requests were made, whichever was
 * answered first.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cookies from "effect/http/Cookies"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as CassetteBody from "./CassetteBody.ts"
import type * as CassetteScrubber from "./CassetteScrubber.ts"
import * as Tape from "./CassetteTape.ts"

/** How is recorded. */
export interface Options {
  readonly scrubber: CassetteScrubber.Scrubber
  /** Real addresses by the name that stands for them; see `CassetteScrubber.Options`. */
  readonly hosts?: Readonly<Record<string, string | undefined>> | undefined
  /** Changes an interaction that was scrubbed, or leaves it out by `undefined`. */
  readonly edit?: ((interaction: Tape.Interaction) => Tape.Interaction | undefined) | undefined
}

/** See {@link make}. */
export interface Recorder {
  /** When the recording began, in milliseconds since 1970. */
  readonly recordedAt: number
  /** The client, which records from now on. */
  readonly decorate: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  /** What was recorded until now, for {@link check}. Requests that were given up before their answer came are not on it. */
  readonly tape: Effect.Effect<Tape.Tape>
  /** Fails where something secret stands in the tape, with the number of the interaction and the place. */
  readonly check: (tape: Tape.Tape) => Effect.Effect<void, Tape.CassetteError>
}

/**
 * Begins a recording now. Times are those of the Clock there is, such as one that runs faster; but a TestClock that stands
 * in 1970 does not say when something was recorded, and then the real one does.
 */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<Recorder> {
  const { edit = (same: Tape.Interaction) => same, scrubber } = options
  const clock = yield* Effect.clockWith((there) =>
    Effect.succeed(there.currentTimeMillisUnsafe() < YEAR ? Clock.Clock.defaultValue() : there)
  )
  const now = Effect.map(clock.currentTimeMillis, Math.floor)
  const recordedAt = yield* now
  const kept: Array<Tape.Interaction | undefined> = []

  const exchange = Effect.fnUntraced(function* (
    client: HttpClient.HttpClient,
    request: HttpClientRequest.HttpClientRequest
  ) {
    const at = yield* now
    const place = kept.push(undefined) - 1
    const exit = yield* Effect.exit(
      Effect.flatMap(client.execute(redirected(request, options.hosts)), readWhole)
    )
    const took = (yield* now) - at
    const asked = scrubber.request(describe(request))
    const times = { at: at - recordedAt, took }
    if (Exit.isSuccess(exit)) {
      const { bytes, response } = exit.value
      const answer = scrubber.answer(yield* answerOf(response, bytes))
      kept[place] = edit({ ...times, request: asked, answer })
      return rebuilt(request, response, bytes)
    }
    const error = Exit.findErrorOption(exit)
    if (Option.isSome(error)) {
      kept[place] = edit({ ...times, request: asked, failure: scrubber.text(wordsOf(error.value)) })
    }
    return yield* Effect.failCause(exit.cause)
  })

  const tape = Effect.sync(() => ({
    recordedAt,
    // A token may have been repeated before its name told what it is.
    interactions: kept.flatMap((one) => (one === undefined ? [] : [scrubber.again(one)]))
  }))

  return {
    recordedAt,
    decorate: (client) =>
      HttpClient.makeWith(
        (request: Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError.HttpClientError>) =>
          Effect.flatMap(request, (given) => exchange(client, given)),
        Effect.succeed<HttpClientRequest.HttpClientRequest>
      ),
    tape,
    check: Effect.fnUntraced(function* (tape) {
      const found: Array<string> = []
      for (const [index, interaction] of tape.interactions.entries()) {
        for (const [place, text] of yield* placesOf(interaction)) {
          // Names of parameters and headers come from outside, too.
          if (scrubber.isIn(text)) found.push(scrubber.text(`interaction ${index + 1}, ${place}`))
        }
        const encoding = interaction.answer?.headers?.["content-encoding"]
        if (encoding !== undefined) {
          found.push(`interaction ${index + 1}, the body of the answer, as ${encoding} cannot be looked into`)
        }
      }
      if (found.length === 0 && scrubber.isIn(Tape.print(tape))) found.push("the text of the file")
      if (found.length === 0) return
      return yield* new Tape.CassetteError({
        reason: "Secret",
        message: `The cassette was not written, because a secret or the real name of a host may still stand in it:\n${found
          .map((place) => `  - ${place}`)
          .join("\n")}\nTake it out with \`names\`, \`replace\` or \`edit\`, and record again.`
      })
    })
  }
})

/** A request as it stands on a cassette, before anything is taken out of it. */
export const describe = (request: HttpClientRequest.HttpClientRequest): Tape.Request => {
  const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))
  const query = Tape.fields(url?.searchParams ?? [])
  const body = CassetteBody.fromRequest(request.body)
  const address = url === undefined ? request.url : url.href.replace(/[?#].*$/s, "")
  return {
    method: request.method,
    url: address,
    ...(query === undefined ? {} : { query }),
    headers: request.headers,
    ...(body === undefined ? {} : { body })
  }
}

/** The answer that a client gets: with these headers, and this body. */
export const respond = (
  request: HttpClientRequest.HttpClientRequest,
  status: number,
  headers: Readonly<Record<string, string>> | Headers,
  bytes: Uint8Array
): HttpClientResponse.HttpClientResponse => {
  // Web responses of these statuses refuse a body.
  const hasBody = status !== 204 && status !== 205 && status !== 304
  return HttpClientResponse.fromWeb(
    request,
    new Response(hasBody ? new Uint8Array(bytes) : null, { status, headers })
  )
}

// ---- private

const YEAR = 365 * 86_400_000

/** To where the host really is. */
const redirected = (
  request: HttpClientRequest.HttpClientRequest,
  hosts: Options["hosts"] = {}
): HttpClientRequest.HttpClientRequest => {
  const host = Option.match(HttpClientRequest.toUrl(request), { onNone: () => "", onSome: (url) => url.host })
  const real = hosts[host]
  if (real === undefined || real.trim() === "") return request
  const origin = real.includes("://") ? real.replace(/\/+$/, "") : `https://${real}`
  return HttpClientRequest.modify(request, { url: request.url.replace(/^[a-z]+:\/\/[^/?#]+/i, origin) })
}

const readWhole = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.map(response.arrayBuffer, (buffer) => ({
    response,
    bytes: new Uint8Array(buffer)
  }))

const answerOf = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  packed: Uint8Array
): Effect.fn.Return<Tape.Answer> {
  const { "content-encoding": encoding, ...others } = response.headers
  const bytes = encoding === undefined ? packed : yield* unpacked(packed, encoding)
  const isOpen = bytes !== undefined && (bytes !== packed || CassetteBody.textOf(bytes) !== undefined)
  const body = CassetteBody.fromBytes(bytes ?? packed, others["content-type"])
  return {
    status: response.status,
    headers: encoding === undefined || isOpen ? others : { ...others, "content-encoding": encoding },
    ...(body === undefined ? {} : { body })
  }
})

/** Some clients unpack by themselves, and leave the header. */
const unpacked = (packed: Uint8Array, encoding: string): Effect.Effect<Uint8Array | undefined> => {
  const format = /^(?:x-)?gzip$/i.test(encoding)
    ? "gzip"
    : /^deflate$/i.test(encoding)
      ? "deflate"
      : undefined
  if (format === undefined || CassetteBody.textOf(packed) !== undefined) return Effect.succeed(packed)
  return inflate(packed, format)
}

const inflate = (packed: Uint8Array, format: "gzip" | "deflate"): Effect.Effect<Uint8Array | undefined> =>
  Effect.tryPromise(() =>
    new Response(
      new Blob([new Uint8Array(packed)]).stream().pipeThrough(new DecompressionStream(format))
    ).arrayBuffer()
  ).pipe(
    Effect.map((buffer) => new Uint8Array(buffer)),
    Effect.orElseSucceed(() => undefined)
  )

const rebuilt = (
  request: HttpClientRequest.HttpClientRequest,
  response: HttpClientResponse.HttpClientResponse,
  bytes: Uint8Array
): HttpClientResponse.HttpClientResponse => {
  const { "set-cookie": _, ...headers } = response.headers
  const web = new Headers(headers)
  for (const cookie of Cookies.toSetCookieHeaders(response.cookies)) web.append("set-cookie", cookie)
  return respond(request, response.status, web, bytes)
}

const wordsOf = ({ reason }: HttpClientError.HttpClientError): string =>
  reason._tag === "TransportError"
    ? (reason.description ?? (reason.cause instanceof Error ? reason.cause.message : "the connection failed"))
    : reason.message

/** All places of an interaction with the text that stands there. Bytes are looked at unpacked as well. */
const placesOf = Effect.fnUntraced(function* ({ answer, failure, request }: Tape.Interaction) {
  const places: Array<readonly [place: string, text: string]> = [["the URL", request.url]]
  for (const [name, value] of Tape.pairs(request.query)) places.push([`the query parameter ${name}`, value])
  for (const [of, message] of [
    ["request", request],
    ["answer", answer]
  ] as const) {
    for (const [name, value] of Object.entries(message?.headers ?? {})) {
      places.push([`the header ${name} of the ${of}`, value])
    }
    const body = message?.body
    if (body === undefined) continue
    const place = `the body of the ${of}`
    if (!("base64" in body)) {
      places.push([place, CassetteBody.toText(body)])
      continue
    }
    const bytes = CassetteBody.toBytes(body)
    places.push([place, latin(bytes)], [place, Base64.encode(bytes)])
    const inner = bytes[0] === 0x1f && bytes[1] === 0x8b ? yield* inflate(bytes, "gzip") : undefined
    if (inner !== undefined) places.push([`${place} (unpacked)`, latin(inner)])
  }
  if (failure !== undefined) places.push(["the failure", failure])
  return places
})

/** Each byte as a character, so that what is a text in between is found. */
const latin = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)
