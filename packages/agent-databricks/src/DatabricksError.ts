/**
 * What can go wrong with a request to the Databricks Jobs API, and how an answer tells it.
 *
 * Databricks and what stands before it (gateways, login pages, private links) report errors in many shapes: JSON with a
 * code that is a word or a number, JSON of other services, plain text, HTML, nothing; some come with status 200.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Json from "./Json.ts"

const Words = { status: Schema.optionalKey(Schema.Int), words: Schema.String }

/** The credentials are wrong, expired, or not allowed to see this. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", Words) {
  override get message(): string {
    return this.words
  }
}

/** There is no such run (any more), or no Jobs API at this address. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", Words) {
  override get message(): string {
    return this.words
  }
}

/** Too many requests. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", Words) {
  override get message(): string {
    return this.words
  }
}

/** Databricks refused the request itself; asking again would not help. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", Words) {
  override get message(): string {
    return this.words
  }
}

/** The answer is not one of the Jobs API: a login page, cut JSON, nothing. `answer` is its beginning. */
export class Invalid extends Schema.TaggedError<Invalid>()("Invalid", { ...Words, answer: Schema.String }) {
  override get message(): string {
    return this.words
  }
}

/** The service or the way to it is disturbed (5xx, time-out, network). It may pass. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", Words) {
  override get message(): string {
    return this.words
  }
}

/** Why a request failed. */
export const Reason = Schema.Union([Unauthorized, NotFound, RateLimited, Refused, Invalid, Unavailable])
/** Why a request failed. */
export type Reason = typeof Reason.Type

/** A request to Databricks that did not give what was asked for. `url` is without query and secrets. */
export class DatabricksError extends Schema.TaggedError<DatabricksError>()("DatabricksError", {
  method: Schema.Literals(["listRuns", "getRun", "getOutput"]),
  url: Schema.String,
  reason: Reason,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    const status = this.reason.status === undefined ? "" : ` with ${this.reason.status}`
    return `${UNDERTAKING[this.method]} from ${this.url} ${VERDICT[this.reason._tag]}${status}: ${stop(this.reason.words)}${ADVICE[this.reason._tag]}`
  }
}

/** An HTTP answer as far as errors are concerned. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  /** Where the answer came from, after redirects. */
  readonly url: string
  readonly body: string
}

/**
 * The JSON object of an answer, or the reason why there is none. Only a 2xx answer with an object in it that is no
 * error report counts.
 */
export const read = (answer: Answer): Result.Result<Readonly<Record<string, unknown>>, Reason> => {
  const json = Json.parse(answer.body)
  if (answer.status < 200 || answer.status > 299) return Result.fail(refusal(answer, json))
  if (Result.isFailure(json) || !isRecord(json.success)) return Result.fail(unusable(answer, json))
  const error = json.success["error_code"]
  return error === undefined || error === null
    ? Result.succeed(json.success)
    : Result.fail(refusal(answer, json))
}

// ---- private

const isRecord = (input: unknown): input is Readonly<Record<string, unknown>> =>
  Predicate.isObject(input) && !Array.isArray(input)

const refusal = (answer: Answer, json: Result.Result<unknown, string>): Reason => {
  const { status } = answer
  const { code, words } = told(answer, json)
  const text = code === undefined || words.includes(code) ? words : `${code}: ${words}`
  const details = { status, words: text }
  if (status === 429 || RATE_CODES.has(code ?? "") || RATE_WORDS.test(words)) return new RateLimited(details)
  if (status === 401 || status === 403 || ACCESS_CODES.has(code ?? "") || ACCESS_WORDS.test(words)) {
    return new Unauthorized(details)
  }
  // runs/get answers 400 for a run that was deleted.
  if (status === 404 || code === "RESOURCE_DOES_NOT_EXIST" || (status === 400 && GONE_WORDS.test(words))) {
    return new NotFound(details)
  }
  if (status >= 200 && status < 300) {
    return new Invalid({
      status,
      words: `an error report instead of data: ${text}`,
      answer: cut(answer.body)
    })
  }
  return status >= 500 || status === 408 || status === 499 || status < 400
    ? new Unavailable(details)
    : new Refused(details)
}

const unusable = (answer: Answer, json: Result.Result<unknown, string>): Reason => {
  const { status } = answer
  if (/\/login\.html\?error=private-link/.test(answer.url)) {
    return new Unauthorized({
      status,
      words: "the workspace is reachable only through its private link, and this network is not on it"
    })
  }
  const words =
    answer.body.trim() === ""
      ? "the answer is empty"
      : isHtml(answer)
        ? `the answer is a web page (${htmlText(answer.body)}), not data`
        : Result.isFailure(json)
          ? `the answer is no JSON, or only a part of it: ${json.failure}`
          : "the answer is not a JSON object"
  return new Invalid({ status, words, answer: cut(answer.body) })
}

/** The code and the words of an error report, whatever its shape. */
const told = (
  answer: Answer,
  json: Result.Result<unknown, string>
): { readonly code: string | undefined; readonly words: string } => {
  if (Result.isSuccess(json) && isRecord(json.success)) {
    const body = json.success
    const code = text(body["error_code"]) ?? text(body["errorCode"]) ?? text(body["scimType"])
    const words =
      text(body["message"]) ??
      text(body["error_description"]) ??
      text(body["errorSummary"]) ??
      text(body["detail"]) ??
      text(body["error"])
    if (words !== undefined || code !== undefined) return { code, words: cut(words ?? code ?? "") }
  }
  if (Result.isSuccess(json) && typeof json.success === "string") return plain(json.success)
  if (answer.body.trim() === "") return { code: undefined, words: "an answer without words" }
  return isHtml(answer) ? { code: undefined, words: htmlText(answer.body) } : plain(answer.body)
}

const plain = (body: string) => {
  const match = /^([A-Z][A-Z_]+): ([\s\S]+)$/.exec(body.trim())
  return match === null
    ? { code: undefined, words: cut(body) }
    : { code: match[1], words: cut(match[2] ?? "") }
}

const text = (input: unknown): string | undefined =>
  typeof input === "string" && input.trim() !== ""
    ? input.trim()
    : typeof input === "number"
      ? String(input)
      : undefined

const isHtml = (answer: Answer): boolean =>
  /\bhtml\b/.test(answer.contentType) || /^\s*<(?:!doctype|html)/i.test(answer.body)

const htmlText = (body: string): string => {
  const found = /<pre[^>]*>([\s\S]*?)<\/pre>/i.exec(body) ?? /<title[^>]*>([\s\S]*?)<\/title>/i.exec(body)
  return cut((found?.[1] ?? body).replaceAll(/<[^>]*>/g, " ")) || "without a title"
}

const cut = (body: string): string => {
  const line = body.replaceAll(/\s+/g, " ").trim()
  return line.length > 300 ? `${line.slice(0, 299).toWellFormed()}…` : line
}

const stop = (words: string): string => (/[.!?…]$/.test(words) ? words : `${words}.`)

const RATE_CODES: ReadonlySet<string> = new Set(["REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"])
const RATE_WORDS = /REQUEST_LIMIT_EXCEEDED|RPC token bucket limit has been exceeded/
const ACCESS_CODES: ReadonlySet<string> = new Set(["UNAUTHENTICATED", "PERMISSION_DENIED"])
const ACCESS_WORDS = /^invalid (?:access )?token/i
const GONE_WORDS = /does not exist|doesn't exist/i

const UNDERTAKING = {
  listRuns: "Reading the list of runs",
  getRun: "Reading a run",
  getOutput: "Reading the output of a task"
}

const VERDICT: Record<Reason["_tag"], string> = {
  Unauthorized: "was not allowed, answered",
  NotFound: "found nothing, answered",
  RateLimited: "met the rate limit, answered",
  Refused: "was refused",
  Invalid: "gave an answer that is of no use, answered",
  Unavailable: "failed"
}

const ADVICE: Record<Reason["_tag"], string> = {
  Unauthorized:
    " Check the credentials, that they belong to this workspace, and that they may view the jobs (permission CAN VIEW).",
  NotFound: "",
  RateLimited: " It is tried again; a longer period of [databricks] asks less often.",
  Refused: "",
  Invalid: " Check host of [databricks]: it must be the address of the workspace itself.",
  Unavailable: " It is tried again."
}
