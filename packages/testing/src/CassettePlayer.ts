/**
 * Plays a cassette: an HTTP client that gives the recorded answers and reaches no network. Requests are compared by method,
 * path, query in any order, and body. The same request again gets the next answer that was recorded for it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as CassetteBody from "./CassetteBody.ts"
import * as CassetteMatch from "./CassetteMatch.ts"
import * as CassetteRecorder from "./CassetteRecorder.ts"
import type * as CassetteScrubber from "./CassetteScrubber.ts"
import * as Tape from "./CassetteTape.ts"

/** How is played. */
export interface Options extends CassetteMatch.Options {
  /**
   * Which of several answers to the same request is given. `sequence`: one after another, in the order of the recording.
   * `time`: the one that was given last before the time of the recording that the Clock shows, which suits tests that ask
   * at other times or more often than the recording did; what is asked for at one moment is answered as it was in one round
   * of the recording, though that took a while. Default: `sequence`.
   */
  readonly order?: "sequence" | "time" | undefined
  /** After the last answer to a request in a `sequence`: the next one fails, or gets the `last` answer again. Default: `fail`. */
  readonly exhausted?: "fail" | "last" | undefined
  /** Whether an answer takes as long as it took, by the Clock there is. Default: it comes at once. */
  readonly latency?: boolean | undefined
}

/** See {@link make}. */
export interface Player {
  readonly client: HttpClient.HttpClient
  /** The recorded requests that were not made, each as a line with its number. */
  readonly unused: Effect.Effect<ReadonlyArray<string>>
  /** What was asked and stands on no cassette: what the errors said, each once. */
  readonly missed: Effect.Effect<ReadonlyArray<string>>
}

/** A player at the beginning of the tape. `where` is what messages call the cassette. */
export const make = (
  tape: Tape.Tape,
  options: Options & { readonly scrubber: CassetteScrubber.Scrubber; readonly where: string }
): Player => {
  const { order = "sequence", scrubber, where } = options
  const match = CassetteMatch.make(tape.interactions, options)
  const recorded = new Map<string, Array<number>>()
  for (const [index, { request }] of tape.interactions.entries()) {
    const key = match.key(request)
    recorded.set(key, [...(recorded.get(key) ?? []), index])
  }
  const asked = new Map<string, number>()
  const used = new Set<number>()
  const missed = new Set<string>()

  const atOf = (index: number | undefined): number =>
    index === undefined ? Infinity : (tape.interactions[index]?.at ?? 0)

  // The latest answer that was given at this moment, and when the same was asked the next time.
  let round = { elapsed: -1, from: -Infinity, until: -Infinity }
  const byTime = (all: ReadonlyArray<number>, elapsed: number): number | undefined => {
    if (round.elapsed !== elapsed) round = { elapsed, from: -Infinity, until: -Infinity }
    const known = all.findLastIndex((index) => atOf(index) <= elapsed)
    // A tool that says in one answer that a run is not active any more says in the next one how it ended, which was recorded later.
    const isBehind = known < 0 || atOf(all[known]) < round.from
    const isNextOfRound = isBehind && atOf(all[known + 1]) < round.until
    const place = isNextOfRound ? known + 1 : Math.max(0, known)
    const at = atOf(all[place])
    if (at >= round.from) round = { elapsed, from: at, until: atOf(all[place + 1]) }
    return all[place]
  }

  const next = (key: string, elapsed: number): number | undefined => {
    const all = recorded.get(key) ?? []
    const count = asked.get(key) ?? 0
    asked.set(key, count + 1)
    if (order === "time") return byTime(all, elapsed)
    return all[count] ?? (options.exhausted === "last" ? all.at(-1) : undefined)
  }

  const play = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
    // What was taken out of the recording is taken out of what is compared with it.
    const given = scrubber.request(CassetteRecorder.describe(request))
    const key = match.key(given)
    const index = next(key, (yield* Clock.currentTimeMillis) - tape.recordedAt)
    const interaction = index === undefined ? undefined : tape.interactions[index]
    if (index === undefined || interaction === undefined) {
      const words = match.explain(given, recorded.get(key) ?? [], where)
      missed.add(words)
      return yield* transportError(request, words)
    }
    used.add(index)
    if (options.latency === true) yield* Effect.sleep(interaction.took)
    const { answer, failure = "the connection failed" } = interaction
    if (answer === undefined) return yield* transportError(request, failure)
    return CassetteRecorder.respond(
      request,
      answer.status,
      answer.headers ?? {},
      CassetteBody.toBytes(answer.body)
    )
  })

  return {
    client: HttpClient.make(play),
    unused: Effect.sync(() =>
      tape.interactions.flatMap(({ request }, index) =>
        used.has(index) ? [] : [`#${index + 1} ${Tape.show(request)}`]
      )
    ),
    missed: Effect.sync(() => [...missed])
  }
}

// ---- private

const transportError = (request: HttpClientRequest.HttpClientRequest, description: string) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, description, cause: new Error(description) })
  })
