/**
 * The bodies of answers, read within limits. A server, or whatever answers in its place, may send a body without end or one byte
 * a minute; and an answer whose body nobody reads keeps its connection in use. So what is read for its words is limited in
 * size and time, what is not needed is read away or cut off, and in either case the connection is free afterwards.
 */
import * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/** The most that {@link text} reads, in bytes. */
export const MAX_BYTES = 1024 * 1024

/** What was read of a body. */
export interface Body {
  readonly text: string
  /** Whether that is the whole body. */
  readonly complete: boolean
}

/**
 * A body as text: of one with more than {@link MAX_BYTES} the beginning, and of one that breaks off or is not there within the
 * time given (from now to its end), nothing. Never fails.
 */
export const text = (
  response: HttpClientResponse.HttpClientResponse,
  within: Duration.Input
): Effect.Effect<Body> =>
  read(response, MAX_BYTES).pipe(
    Effect.map(({ bytes, complete }) => ({ text: new TextDecoder().decode(bytes), complete })),
    Effect.timeoutOrElse({ duration: within, orElse: () => Effect.succeed(nothing) }),
    Effect.orElseSucceed(() => nothing)
  )

/**
 * A body for people, its secrets masked by `hide`. Of one that is not complete the end is left out, since a secret may have been
 * cut there, which `hide` does not find.
 */
export const shown = ({ complete, text }: Body, hide: (text: string) => string): string =>
  complete ? hide(text) : hide(text).slice(0, -LONGEST_SECRET)

/** Gives the connection back: reads a small body away, and cuts off one that is large or slow. Never fails. */
export const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  read(response, WORTH_READING).pipe(Effect.timeoutOption("1 second"), Effect.ignore)

// ---- private parts

const nothing: Body = { text: "", complete: false }

/** Headers of more than 16 KiB are refused by Node and most servers; URL-encoding makes three characters of one. */
const LONGEST_SECRET = 48 * 1024

/** Reading more than this takes longer than opening a new connection. */
const WORTH_READING = 64 * 1024

/** Reads up to a number of bytes, and ends the exchange there. */
const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse, limit: number) {
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* response.stream.pipe(
    Stream.takeUntil((chunk) => (size += chunk.byteLength) > limit),
    Stream.runForEach((chunk) => Effect.sync(() => chunks.push(chunk)))
  )
  const bytes = new Uint8Array(Math.min(size, limit))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk.subarray(0, bytes.length - at), at)
    at = Math.min(at + chunk.byteLength, bytes.length)
  }
  return { bytes, complete: size <= limit }
})
