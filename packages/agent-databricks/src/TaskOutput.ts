/**
 * What a task's run left behind (`runs/get-output`, Jobs API 2.2), in the form in which people read it: the error, the
 * stack trace, the end of its log, and what a notebook gave back. Terminal colours and other control characters are
 * removed, and what is long is shortened where it tells least: a stack trace in the middle, because its beginning says where and
 * its end says what (of Java and Scala it is the other way round), a log at its beginning.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Lenient from "./Lenient.ts"
import { RunId } from "./RunRecord.ts"

/** What `runs/get-output` answers, as far as it is read. */
export const OutputFields = Schema.Struct({
  error: Lenient.forgiving(Schema.String),
  error_trace: Lenient.forgiving(Schema.String),
  /** The end of what the task wrote: the last 5 MB at most. Not of notebooks and pipelines. */
  logs: Lenient.forgiving(Schema.String),
  logs_truncated: Lenient.forgiving(Schema.Boolean),
  info: Lenient.forgiving(Schema.String),
  notebook_output: Lenient.forgiving(
    Schema.Struct({ result: Lenient.forgiving(Schema.String), truncated: Lenient.forgiving(Schema.Boolean) })
  ),
  run_job_output: Lenient.forgiving(Schema.Struct({ run_id: Lenient.forgiving(RunId) })),
  dbt_platform_output: Lenient.forgiving(
    Schema.Struct({ dbt_platform_job_run_url: Lenient.forgiving(Schema.String) })
  ),
  /** The attempt of the task itself. */
  metadata: Lenient.forgiving(
    Schema.Struct({ run_id: Lenient.forgiving(Lenient.Id), task_key: Lenient.forgiving(Schema.String) })
  )
})

/**
 * What is known of a task's output: `error` (the exception in short), `error_trace`, `logs` (the end of what it wrote; not of
 * notebooks and pipelines), `notebook_output.result` (what a notebook gave to `dbutils.notebook.exit`), `run_job_output.run_id`.
 * All texts are as the service sent them.
 */
export type TaskOutput = typeof OutputFields.Type

/** Reads the body of an answer. What it lacks, or has in another type than is known, is absent. */
export const decode = (body: unknown): TaskOutput => Result.getOrElse(decodeFields(body), () => ({}))

/** The error in at most 10,000 characters; `undefined` without one. */
export const errorOf = (output: TaskOutput | undefined): string | undefined => excerpt(output?.error)

/** A text of the service's without control sequences, in at most 10,000 characters; `undefined` if nothing is left. */
export const excerpt = (text: string | undefined): string | undefined => shorten(clean(text), MAX_ERROR)

/** The stack trace in at most 30,000 characters; without one, the end of the log. */
export const detailsOf = (output: TaskOutput | undefined): string | undefined => {
  const trace = shorten(clean(output?.error_trace), MAX_TRACE)
  if (trace !== undefined) return trace
  const log = tail(clean(output?.logs))
  return log === undefined ? undefined : `The end of the task's log:\n${log}`
}

/** Text without control sequences of terminals, and without blanks at its ends; `undefined` if nothing is left. */
export const clean = (text: string | undefined): string | undefined =>
  text
    ?.replaceAll(ANSI, "")
    .replaceAll("\r\n", "\n")
    // Of a line that was written over again and again (a progress bar), what was to be seen at last.
    .replaceAll(/^.*\r(?=[^\n])/gm, "")
    .replaceAll(CONTROL, "")
    .trim() || undefined

/** The text with its middle left out if it is longer than `limit` characters: a quarter of them from its beginning. */
export const shorten = (text: string | undefined, limit: number): string | undefined => {
  if (text === undefined || text.length <= limit) return text
  const head = Math.floor(limit / 4)
  const left = text.length - limit
  return `${text.slice(0, head)}\n… ${left} characters left out …\n${text.slice(head + left)}`.toWellFormed()
}

// ---- private

const decodeFields = Schema.decodeUnknownResult(OutputFields)

/**
 * What somebody reads of it. That an event fits into the server's limit (102,400 bytes) is seen to where it is encoded: in
 * scripts that take three bytes a character, these are more than that.
 */
const MAX_ERROR = 10_000
const MAX_TRACE = 30_000

/** How much of a log is told. */
const MAX_LOG = 8000
const MAX_LINES = 100

const tail = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  const lines = text.slice(-MAX_LOG).split("\n").slice(-MAX_LINES)
  // The first line of the cut is a part of a line, unless it is all there is.
  const whole = text.length > MAX_LOG && lines.length > 1 ? lines.slice(1) : lines
  return whole.join("\n").toWellFormed()
}

/**
 * Control sequences of terminals (ECMA-48: CSI, OSC and two-character escapes), in seven bits and in eight. An OSC ends in
 * its line; of one that does not, only the beginning is taken away, because what follows may be the error itself.
 */
const ANSI =
  // oxlint-disable-next-line no-control-regex
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c\r\n]*(?:\u0007|\u001b\\|\u009c)|\u001b[@-Z\\\]^_]/g

/** Other control characters (C0 and C1), apart from tab and line feed. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g
