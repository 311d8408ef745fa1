/**
 * Access tokens from an OAuth token endpoint: asked for when first needed, kept, and renewed ahead of expiry. Whoever
 * needs a token while one is being asked for waits for that answer, be it a token or a failure.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as HttpPolicy from "./HttpPolicy.ts"
import * as HttpSettings from "./HttpSettings.ts"
import * as Logging from "./Logging.ts"
import * as TokenEndpoint from "./TokenEndpoint.ts"

/** What the token endpoint is asked with. */
export interface Options {
  /** Makes the requests: a client without credentials and without policy. */
  readonly client: HttpClient.HttpClient
  /** The time limit and the number of retries of token requests. Default: those of `HttpSettings.defaults`. */
  readonly settings?: Pick<HttpSettings.HttpSettings, "readTimeout" | "retries"> | undefined
  /** How long before its expiry a token is renewed. Default: 5 minutes, at most half its life; at least 40 seconds. */
  readonly refreshAhead?: Duration.Input | undefined
}

/** A token, and the moments (milliseconds since 1970) from which on it is renewed and no longer used. */
export interface Token {
  readonly value: Redacted.Redacted
  readonly renewAt: number
  readonly uselessAt: number
}

/** Where tokens come from. */
export interface TokenSource {
  /** A token that will be accepted for a while yet. */
  readonly get: Effect.Effect<Token, TokenEndpoint.CredentialsError>
  /** A token other than this one, which was refused. */
  readonly renew: (refused: Token) => Effect.Effect<Token, TokenEndpoint.CredentialsError>
}

/**
 * Makes the source of one grant's tokens. It asks for nothing yet. A grant that has to be made up first (its endpoint looked up)
 * is made before each question, by an Effect that may take its time and cannot fail.
 */
export const make = Effect.fnUntraced(function* (
  grant: TokenEndpoint.Grant | Effect.Effect<TokenEndpoint.Grant>,
  options: Options
) {
  const settings = options.settings ?? HttpSettings.defaults
  const client = HttpPolicy.apply(settings, { repeatable: true })(options.client)
  const ask = Effect.flatMap(Effect.isEffect(grant) ? grant : Effect.succeed(grant), (grant) =>
    TokenEndpoint.ask(grant, client, settings.readTimeout)
  )
  const ahead = Duration.toMillis(options.refreshAhead ?? "5 minutes")
  const state = yield* Ref.make<State>({ answers: 0, latest: undefined, pausedUntil: 0 })
  const semaphore = yield* Semaphore.make(1)

  const obtain = Effect.fnUntraced(function* (refused: Token | undefined, answers: number) {
    const before = yield* Ref.get(state)
    // While this fiber waited for its turn another one had an answer: it counts for this one too.
    if (before.answers !== answers && before.latest !== undefined)
      return yield* Effect.fromResult(before.latest)
    const answer = yield* Effect.result(ask)
    // Before anything is asked with it that could be answered with it.
    if (Result.isSuccess(answer)) {
      const { learn } = yield* Logging.Selection
      learn?.(Redacted.value(answer.success.value))
    }
    const now = yield* Clock.currentTimeMillis
    const { latest, pausedUntil } = next(before, answer, now, ahead, refused)
    yield* Ref.set(state, { answers: answers + 1, latest, pausedUntil })
    if (Result.isFailure(answer) && Result.isSuccess(latest)) {
      yield* Effect.logWarning(
        "An access token could not be renewed yet; the present one is still valid"
      ).pipe(Effect.annotateLogs({ reason: answer.failure.message }))
    }
    return yield* Effect.fromResult(latest)
  })

  const provide = Effect.fnUntraced(function* (refused: Token | undefined) {
    const { answers, latest, pausedUntil } = yield* Ref.get(state)
    const now = yield* Clock.currentTimeMillis
    if (
      latest !== undefined &&
      (Result.isFailure(latest) ? now < pausedUntil : isGood(latest.success, refused, now))
    ) {
      return yield* Effect.fromResult(latest)
    }
    return yield* semaphore.withPermit(obtain(refused, answers))
  })

  const source: TokenSource = { get: provide(undefined), renew: provide }
  return source
})

// ---- private parts

type Latest = Result.Result<Token, TokenEndpoint.CredentialsError>

interface State {
  /** How many answers there were, so that who waited can tell that there was one meanwhile. */
  readonly answers: number
  /** What holds since the last answer: a token, or why there is none. */
  readonly latest: Latest | undefined
  /** Until then a failure stands, and nothing is asked for. */
  readonly pausedUntil: number
}

const isGood = (token: Token, refused: Token | undefined, now: number): boolean =>
  token.value !== refused?.value && now < token.renewAt

/** A token endpoint's clock and ours differ, and some servers refuse tokens in their last half minute. */
const MARGIN = 40_000

/**
 * After a failed renewal ahead of expiry, the next one waits this long. Refused credentials wait as long, because sign-in
 * services lock an account that keeps trying.
 */
const PAUSE = 60_000

/** What holds after an answer. A failure changes nothing while the token of before is still good. */
const next = (
  before: State,
  answer: Result.Result<TokenEndpoint.Answer, TokenEndpoint.CredentialsError>,
  now: number,
  ahead: number,
  refused: Token | undefined
): { readonly latest: Latest; readonly pausedUntil: number } => {
  if (Result.isSuccess(answer)) {
    const { lifeMillis, value } = answer.success
    const early = Math.max(Math.min(ahead, lifeMillis / 2), MARGIN)
    const token = { value, renewAt: now + lifeMillis - early, uselessAt: now + lifeMillis - MARGIN }
    return { latest: Result.succeed(token), pausedUntil: 0 }
  }
  const token = before.latest === undefined ? undefined : Result.getOrUndefined(before.latest)
  if (token === undefined || token.value === refused?.value || now >= token.uselessAt) {
    return {
      latest: Result.fail(answer.failure),
      pausedUntil: answer.failure.reason === "Rejected" ? now + PAUSE : 0
    }
  }
  return {
    latest: Result.succeed({ ...token, renewAt: Math.min(now + PAUSE, token.uselessAt) }),
    pausedUntil: 0
  }
}
