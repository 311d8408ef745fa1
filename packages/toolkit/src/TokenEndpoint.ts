/**
 * One question to an OAuth token endpoint and its answer: the form that is sent, what counts as a token, and the failure in
 * the server's words. No secret gets into a failure, not even when the server repeats what it was sent.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpAnswer from "./HttpAnswer.ts"
import * as HttpFailure from "./HttpFailure.ts"
import * as Logging from "./Logging.ts"
import * as Secrecy from "./Secrecy.ts"

/**
 * No token could be had. `Rejected`: the endpoint refused the credentials (an answer 4xx), which only another configuration
 * changes. `Unavailable`: it could not be reached or answered with 408, 429 or 5xx, also after retries. `Invalid`: it answered
 * 2xx with something that holds no token. The words are the server's own, without any secret.
 */
export class CredentialsError extends Schema.TaggedError<CredentialsError>()("CredentialsError", {
  /** Which of the three it is. */
  reason: Schema.Literals(["Rejected", "Unavailable", "Invalid"]),
  /** The token endpoint, without user name, password and query. */
  url: Schema.String,
  /** The HTTP status of the answer; absent when there was none. */
  status: Schema.optionalKey(Schema.Int),
  /** OAuth's error code, e.g. `invalid_client`, if the server told one. */
  error: Schema.optionalKey(Schema.String),
  /** What the server said, or what happened to the connection. */
  words: Schema.String,
  /** What to check. */
  hint: Schema.String
}) {
  /** What was tried, what the server said, and what to do now. */
  override get message(): string {
    const status = this.status === undefined ? "" : ` (${this.status})`
    const said = `${this.error === undefined || this.words.includes(this.error) ? "" : `${this.error}: `}${this.words}`
    switch (this.reason) {
      case "Rejected":
        return `The token endpoint ${this.url} refused the credentials${status}: ${said} ${this.hint}`
      case "Unavailable":
        return `The token endpoint ${this.url} is not available${status}: ${said}`
      case "Invalid":
        return `The token endpoint ${this.url} gave no token${status}: ${said} ${this.hint}`
    }
  }
}

/** One way of asking for a token. */
export interface Grant {
  /** The token endpoint. */
  readonly url: string
  /** The fields of the form to send. */
  readonly form: Readonly<Record<string, string | Redacted.Redacted>>
  /** Client id and secret for the Basic header, for endpoints that want them there. */
  readonly basic?: readonly [id: string, secret: Redacted.Redacted] | undefined
  /** What to check when the endpoint refuses, a sentence. */
  readonly hint: string
}

/** An access token and how long it lasts. */
export interface Answer {
  readonly value: Redacted.Redacted
  readonly lifeMillis: number
}

/** Asks once. The client decides about retries; `readTimeout` bounds the whole time that the answer's body takes. */
export const ask = (
  grant: Grant,
  client: HttpClient.HttpClient,
  readTimeout: Duration.Duration
): Effect.Effect<Answer, CredentialsError> =>
  // Parameters and credentials of [http] are sent along, which the grant does not know, and are masked before any cut, too.
  Effect.flatMap(Logging.Selection, ({ mask = (text: string) => text }) =>
    exchange(grant, client, readTimeout, mask)
  )

// ---- private parts

const exchange = (
  grant: Grant,
  client: HttpClient.HttpClient,
  readTimeout: Duration.Duration,
  mask: (text: string) => string
): Effect.Effect<Answer, CredentialsError> => {
  const url = UrlParams.redactUrl(grant.url.split(/[?#]/, 1)[0] ?? "")
  const request = HttpClientRequest.post(grant.url).pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.bodyUrlParams(grant.form),
    grant.basic === undefined
      ? (same) => same
      : // RFC 6749 §2.3.1: both are form-encoded before they are put together.
        HttpClientRequest.basicAuth(
          Secrecy.formEncoded(grant.basic[0]),
          Secrecy.formEncoded(Redacted.value(grant.basic[1]))
        )
  )
  const secrets = secretsOf(grant)
  const hide = (text: string) => Secrecy.hideAuthorization(mask(Secrecy.hide(text, secrets)))
  const failed = (error: HttpClientError.HttpClientError) =>
    new CredentialsError({
      reason: "Unavailable",
      url,
      words: sentence(wordsOf(error), hide),
      hint: grant.hint
    })
  return client.execute(request).pipe(
    Effect.mapError(failed),
    Effect.flatMap((response) =>
      Effect.flatMap(HttpAnswer.text(response, readTimeout), (body) => {
        const answer = decodeAnswer(body.text)
        if (isOk(response.status) && Option.isSome(answer)) return Effect.succeed(answer.value)
        const { error, words } = refusalOf(HttpAnswer.shown(body, hide))
        // Text that cannot be read but came with a 2xx may hold the token.
        const told = isOk(response.status) ? (error ?? "the answer holds no access_token") : words
        return Effect.fail(
          new CredentialsError({
            reason: isOk(response.status)
              ? "Invalid"
              : isPassing(response.status)
                ? "Unavailable"
                : "Rejected",
            url,
            status: response.status,
            ...(error === undefined ? {} : { error: brief(error, hide) }),
            words: sentence(told, hide),
            hint: grant.hint
          })
        )
      })
    )
  )
}

const isOk = (status: number) => status >= 200 && status < 300

const isPassing = (status: number) => status === 408 || status === 429 || status >= 500

/** The fields of both kinds of answers, all optional: RFC 6749 §5, and the names some servers use in place of them. */
const Body = Schema.fromJsonString(
  Schema.Struct({
    access_token: Schema.optional(Schema.Unknown),
    expires_in: Schema.optional(Schema.Unknown),
    error: Schema.optional(Schema.Unknown),
    error_description: Schema.optional(Schema.Unknown),
    errorCode: Schema.optional(Schema.Unknown),
    errorSummary: Schema.optional(Schema.Unknown),
    message: Schema.optional(Schema.Unknown)
  })
)

const decodeBody = Schema.decodeUnknownOption(Body)

/** A token of which nothing is known is taken to last ten minutes, the shortest life that is usual. */
const UNTOLD_LIFE = 600

const decodeAnswer = (body: string): Option.Option<Answer> =>
  Option.flatMap(decodeBody(body), ({ access_token, expires_in }) => {
    if (typeof access_token !== "string" || access_token === "") return Option.none()
    // Some servers send the number as a string.
    const told =
      typeof expires_in === "string" || typeof expires_in === "number" ? Number(expires_in) : Number.NaN
    const seconds = Number.isFinite(told) && told > 0 ? told : UNTOLD_LIFE
    return Option.some({ value: Redacted.make(access_token), lifeMillis: seconds * 1000 })
  })

const refusalOf = (body: string): { readonly error: string | undefined; readonly words: string } => {
  const told = Option.getOrUndefined(decodeBody(body))
  const text = (...candidates: ReadonlyArray<unknown>) =>
    candidates.find((each): each is string => typeof each === "string" && each.trim() !== "")
  const error = text(told?.error, told?.errorCode)
  const plain =
    told === undefined ? body.slice(0, 20_000).replaceAll(/<(script|style)\b.*?<\/\1>|<[^>]*>/gis, " ") : ""
  return {
    error,
    words: text(told?.error_description, told?.errorSummary, told?.message, error, plain) ?? ""
  }
}

const wordsOf = (error: HttpClientError.HttpClientError): string =>
  "description" in error.reason && error.reason.description !== undefined
    ? error.reason.description
    : HttpFailure.words("cause" in error.reason ? error.reason.cause : undefined)

/** One line, not too long, without secrets: they are masked before anything is cut off, or a part of one would stay. */
const brief = (text: string, hide: (text: string) => string): string => {
  const line = hide(hide(text).replaceAll(/\s+/g, " ").trim())
  return line.length > 500 ? `${line.slice(0, 500).toWellFormed()}…` : line
}

/** The same, ending with a full stop. */
const sentence = (text: string, hide: (text: string) => string): string => {
  const short = brief(text, hide)
  return short === "" ? "the answer says nothing." : /[.!?…]$/.test(short) ? short : `${short}.`
}

/** What goes over the wire in secret. */
const secretsOf = (grant: Grant): ReadonlyArray<string> => {
  const redacted = Object.values(grant.form).filter((each) => typeof each !== "string")
  const plain = redacted.map((each) => Redacted.value(each))
  if (grant.basic === undefined) return plain
  const id = grant.basic[0]
  const secret = Redacted.value(grant.basic[1])
  return [...plain, secret, `${id}:${secret}`, `${Secrecy.formEncoded(id)}:${Secrecy.formEncoded(secret)}`]
}
