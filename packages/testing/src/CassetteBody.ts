/**
 * Bodies of requests and answers, as a cassette keeps them: JSON as JSON, forms by their fields, other texts in lines, and
 * what is no text in base64.
 */
import * as Base64 from "effect/encoding/Base64"
import type * as HttpBody from "effect/http/HttpBody"
import * as Result from "effect/Result"
import * as Tape from "./CassetteTape.ts"

/**
 * The body that these bytes are; `undefined` for none. Objects and lists in JSON are seen for what they are under any type.
 */
export const fromBytes = (bytes: Uint8Array, contentType = ""): Tape.Body | undefined => {
  if (bytes.length === 0) return undefined
  const text = textOf(bytes)
  if (text === undefined) return { base64: wrapped(Base64.encode(bytes)) }
  if (/^application\/x-www-form-urlencoded/i.test(contentType)) {
    return { form: Tape.fields(new URLSearchParams(text)) ?? {} }
  }
  if (/^[\s\uFEFF]*[{[]/.test(text) || /^[^;]*[/+]json\b/i.test(contentType)) {
    const parsed = Result.try((): unknown => JSON.parse(Tape.protect(text)))
    if (Result.isSuccess(parsed)) return { json: parsed.success }
  }
  return ofText(text)
}

/** A text as a body: its lines, where it has several. */
export const ofText = (text: string): Tape.Body => ({
  text: text.includes("\n") ? text.split("\n") : text
})

/**
 * The body of a request. Of a form with files only their names and sizes are kept, and a stream is not looked into, because
 * both would be different each time.
 */
export const fromRequest = (body: HttpBody.HttpBody): Tape.Body | undefined => {
  switch (body._tag) {
    case "Empty":
      return undefined
    case "Uint8Array":
      return fromBytes(body.body, body.contentType)
    case "Raw":
      return body.body instanceof Uint8Array
        ? fromBytes(body.body, body.contentType)
        : typeof body.body === "string"
          ? fromBytes(new TextEncoder().encode(body.body), body.contentType)
          : { text: "(a body of a kind that is not kept)" }
    case "FormData":
      return {
        form:
          Tape.fields(
            Array.from(body.formData, ([name, value]) => [
              name,
              typeof value === "string" ? value : `(file ${value.name}, ${value.size} bytes)`
            ])
          ) ?? {}
      }
    case "Stream":
      return { text: "(a stream)" }
  }
}

/** The bytes that are sent for it. JSON is written without spaces. */
export const toBytes = (body: Tape.Body | undefined): Uint8Array => {
  if (body === undefined) return new Uint8Array()
  if ("base64" in body)
    return Result.getOrElse(Base64.decode(joined(body.base64, "")), () => new Uint8Array())
  return new TextEncoder().encode(toText(body))
}

/** The text of a body that is one. */
export const toText = (body: Exclude<Tape.Body, { readonly base64: unknown }>): string =>
  "json" in body
    ? Tape.restore(JSON.stringify(body.json))
    : "form" in body
      ? new URLSearchParams(
          Tape.pairs(body.form).map(([name, value]): [string, string] => [name, value])
        ).toString()
      : joined(body.text, "\n")

/** The text that these bytes are in UTF-8; `undefined` where they are none, or hold zeros. */
export const textOf = (bytes: Uint8Array): string | undefined => {
  const text = Result.try(() => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
  return Result.isSuccess(text) && !text.success.includes("\0") ? text.success : undefined
}

// ---- private

const joined = (lines: string | ReadonlyArray<string>, between: string): string =>
  typeof lines === "string" ? lines : lines.join(between)

const wrapped = (base64: string): string | ReadonlyArray<string> =>
  base64.length <= LINE ? base64 : (base64.match(/.{1,76}/g) ?? [])

const LINE = 76
