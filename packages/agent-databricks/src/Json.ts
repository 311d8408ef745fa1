/**
 * Reading JSON without losing digits. Databricks' ids are 64-bit integers and may come as bare JSON numbers; beyond 2^53
 * JavaScript's own parser would quietly round them to the id of another run.
 */
import * as Result from "effect/Result"

/**
 * Parses JSON text. A whole number that a double cannot hold exactly becomes the text of its digits; everything else
 * becomes what `JSON.parse` makes of it. Fails with the parser's words.
 */
export const parse = (text: string): Result.Result<unknown, string> =>
  Result.try({
    // The reviver costs time on large answers, and is of use only where a long run of digits stands in the text.
    try: (): unknown => (LONG_NUMBER.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)),
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })

const LONG_NUMBER = /\d{16}/

const keepDigits = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === "number" &&
  !Number.isSafeInteger(value) &&
  context?.source !== undefined &&
  /^-?\d+$/.test(context.source)
    ? context.source
    : value
