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
    try: (): unknown => JSON.parse(withDigits(text)),
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })

/** A whole number that may be too long, where JSON has a number. The same may stand in a text. */
const LONG_NUMBER = /(?<![^\s:,[])-?[1-9]\d{15,}(?![^\s,\]}])/g

/**
 * JSON text with quotes around the digits of such numbers. A reviver would do the same, but it is called for each value of an
 * answer, and reading takes three times as long.
 */
const withDigits = (text: string): string => {
  let quote = text.indexOf('"')
  let isText = false
  return text.replaceAll(LONG_NUMBER, (digits: string, at: number) => {
    for (; quote !== -1 && quote < at; quote = text.indexOf('"', quote + 1)) {
      if (!isText || !isEscaped(text, quote)) isText = !isText
    }
    return isText || Number.isSafeInteger(Number(digits)) ? digits : `"${digits}"`
  })
}

const isEscaped = (text: string, at: number): boolean => {
  let from = at
  while (text[from - 1] === "\\") from -= 1
  return (at - from) % 2 === 1
}
