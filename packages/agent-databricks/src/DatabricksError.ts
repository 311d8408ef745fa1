/**
 * What can go wrong with a request to the Databricks Jobs API, and how an answer tells it.
 *
 * Databricks and what stands before it (gateways, login pages, private links) report errors in many shapes: JSON with a
 * code that is a word or a number, JSON of other services, plain text, HTML, nothing; some come with status 200.
 */
import * as Predicate from "effect/Predicate"
import * as RegExp from "effect/RegExp"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Json from "./Json.ts"
import { RATE_CODES, RATE_WORDS } from "./Overload.ts"

const Words = { status: Schema.optionalKey(Schema.Int), words: Schema.String }

/** The credentials are wrong, expired, or not allowed to see this. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", Words) {
  override get message(): string {
    return this.words
  }
}

/** There is no such run (any more): Databricks says so in so many words. */
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

/**
 * A request to Databricks that did not give what was asked for. `url` is without query and secrets, and the reason has its words
 * masked; the error below it, which holds the request with its headers, is not kept.
 */
export class DatabricksError extends Schema.TaggedError<DatabricksError>()("DatabricksError", {
  method: Schema.Literals(["listRuns", "getRun", "getOutput"]),
  url: Schema.String,
  reason: Reason
}) {
  override get message(): string {
    // Nothing is wrong with the credentials there.
    return `${this.summary}${PRIVATE_LINK.test(this.reason.words) ? "" : ADVICE[this.reason._tag]}`
  }

  /** What happened, without what to do about it. */
  get summary(): string {
    const status = this.reason.status === undefined ? "" : ` with ${this.reason.status}`
    return `${UNDERTAKING[this.method]} from ${this.url} ${VERDICT[this.reason._tag]}${status}: ${stop(this.reason.words)}`
  }
}

/** An HTTP answer as far as errors are concerned. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  /** Where the answer came from, after redirects. */
  readonly url: string
  readonly body: string
  /** Masks secrets, which the answer may repeat, in what is shown of it. Without it there are none. */
  readonly hide?: ((text: string) => string) | undefined
}

/**
 * The JSON object of an answer, or the reason why there is none. Only a 2xx answer with an object in it that is no
 * error report counts. `runId` is the run that was asked for, if it was one: only a refusal that speaks of it is NotFound.
 */
export const read = (
  answer: Answer,
  runId?: string
): Result.Result<Readonly<Record<string, unknown>>, Reason> => {
  const json = Json.parse(answer.body)
  if (answer.status < 200 || answer.status > 299) return Result.fail(refusal(answer, json, runId))
  if (Result.isFailure(json) || !isRecord(json.success)) return Result.fail(unusable(answer, json))
  const error = json.success["error_code"]
  return error === undefined || error === null
    ? Result.succeed(json.success)
    : Result.fail(refusal(answer, json, runId))
}

/** An answer that is JSON, but not what the Jobs API says of itself: the words tell in what. */
export const invalid = (answer: Answer, words: string): Invalid =>
  new Invalid({ status: answer.status, words: cut(shown(answer, words)), answer: beginning(answer) })

// ---- private

const isRecord = (input: unknown): input is Readonly<Record<string, unknown>> =>
  Predicate.isObject(input) && !Array.isArray(input)

const refusal = (answer: Answer, json: Result.Result<unknown, string>, runId: string | undefined): Reason => {
  const { status } = answer
  const { code, words } = told(answer, json)
  const details = { status, words: wordsOf(answer) }
  if (status === 429 || RATE_CODES.has(code ?? "") || RATE_WORDS.test(words)) return new RateLimited(details)
  if (status === 401 || status === 403 || ACCESS_CODES.has(code ?? "") || ACCESS_WORDS.test(words)) {
    return new Unauthorized(details)
  }
  if (isGone(status, code, words, runId)) return new NotFound(details)
  // A word of the Jobs API about something else, and no other page.
  if (code === MISSING && Result.isSuccess(json)) return new Refused(details)
  if (status === 404 || (status >= 200 && status < 300)) {
    const what = status === 404 ? "there is no Jobs API at this address" : "an error report instead of data"
    return new Invalid({ status, words: `${what}: ${details.words}`, answer: beginning(answer) })
  }
  return status >= 500 || status === 408 || status === 499 || status < 400
    ? new Unavailable(details)
    : new Refused(details)
}

/**
 * Whether Databricks says that this run does not exist. It answers 404 or 400; but so do gateways, and Databricks itself about
 * other things that do not exist (a workspace, a job), and a run taken for deleted is never asked for again. So the words
 * have to be about the run: they name it, or, with the code for it, they speak of a run and of nothing else.
 */
const isGone = (
  status: number,
  code: string | undefined,
  words: string,
  runId: string | undefined
): boolean => {
  if (runId === undefined) return false
  const id = RegExp.escape(runId)
  return (
    (code === MISSING &&
      new globalThis.RegExp(`^(?:${NO_RUN}|No such run[.!]?$)`.replaceAll("ID", id), "i").test(words)) ||
    ((status === 404 || status === 400) &&
      new globalThis.RegExp(`\\bRun:? ["']?${id}["']? (?:[^.;]* )?(?:does not|doesn't) exist`, "i").test(
        words
      ))
  )
}

/** `The run with id 5 was not found`, `Run does not exist`. */
const NO_RUN = `(?:The |This )?(?:requested )?run(?: with)?(?: the)?(?: run)?(?: ?id)?:?(?: ["'\\[]?ID["'\\]]?)? (?:does not exist|doesn't exist|(?:was |could |can )?not (?:be )?found|cannot be found)`

/** The code for what does not exist, be it a run or something else. */
const MISSING = "RESOURCE_DOES_NOT_EXIST"

const unusable = (answer: Answer, json: Result.Result<unknown, string>): Reason => {
  const { status } = answer
  if (/\/login\.html\?error=private-link/.test(answer.url)) {
    return new Unauthorized({
      status,
      words: "the workspace is reachable only through its private link, and this network is not on it"
    })
  }
  const visible = masked(answer)
  const parsed = Json.parse(visible.body)
  const words =
    answer.body.trim() === ""
      ? "the answer is empty"
      : isHtml(answer)
        ? `the answer is a web page (${cut(htmlText(visible.body)) || "without a title"}), not data`
        : Result.isFailure(json)
          ? `the answer is no JSON, or only a part of it: ${Result.isFailure(parsed) ? parsed.failure : "it ends in the wrong place"}`
          : "the answer is not a JSON object"
  return invalid(answer, words)
}

/** The code and the words of an error report as people may see them: masked, and of a length to be read. */
const wordsOf = (answer: Answer): string => {
  const visible = masked(answer)
  const { code, words } = told(visible, Json.parse(visible.body))
  const text = code === undefined || words.includes(code) ? words : `${code}: ${words}`
  return cut(shown(answer, text))
}

const masked = (answer: Answer): Answer => ({ ...answer, body: shown(answer, answer.body) })

/**
 * A text of an answer without secrets. Of one that is very long only the beginning is looked at, and of that the end is given up:
 * a secret may have been cut in two there.
 */
const shown = ({ hide = (text: string) => text }: Answer, text: string): string =>
  text.length > MAX_SHOWN ? hide(text.slice(0, MAX_SHOWN)).slice(0, -MAX_SECRET) : hide(text)

const MAX_SHOWN = 262_144
const MAX_SECRET = 32_768

const beginning = (answer: Answer): string => cut(masked(answer).body)

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
    if (words !== undefined || code !== undefined) return { code, words: words ?? code ?? "" }
  }
  if (Result.isSuccess(json) && typeof json.success === "string") return plain(json.success)
  if (answer.body.trim() === "") return { code: undefined, words: "an answer without words" }
  return isHtml(answer)
    ? { code: undefined, words: htmlText(answer.body).trim() || "a web page without words" }
    : plain(answer.body)
}

const plain = (body: string) => {
  const match = /^([A-Z][A-Z_]+): ([\s\S]+)$/.exec(body.trim())
  return match === null ? { code: undefined, words: body } : { code: match[1], words: match[2] ?? "" }
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
  return (found?.[1] ?? body).replaceAll(/<[^>]*>/g, " ")
}

const cut = (body: string): string => {
  const line = body.replaceAll(/\s+/g, " ").trim()
  return line.length > 300 ? `${line.slice(0, 299).toWellFormed()}…` : line
}

const stop = (words: string): string => (/[.!?…]$/.test(words) ? words : `${words}.`)

const ACCESS_CODES: ReadonlySet<string> = new Set(["UNAUTHENTICATED", "PERMISSION_DENIED"])
const ACCESS_WORDS = /^invalid (?:access )?token/i

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

const PRIVATE_LINK = /only through its private link/

const ADVICE: Record<Reason["_tag"], string> = {
  Unauthorized:
    " Check the credentials, that they belong to this workspace, and that they may view the jobs (permission CAN VIEW).",
  NotFound: "",
  RateLimited: " It is tried again; a longer period of [databricks] asks less often.",
  Refused: "",
  Invalid: " Check host of [databricks]: it must be the address of the workspace itself.",
  Unavailable: " It is tried again."
}
