/**
 * Keeps secrets out of texts that people will see. A server or a proxy may repeat what it was sent, so whatever it says is
 * masked before it goes into an error or a log, and before any of it is cut off: of a secret that was cut in two, a part would
 * stay readable.
 */
import * as Base64 from "effect/encoding/Base64"

/** What stands in the place of a secret. */
export const MASK = "********"

/** Secrets of fewer characters are not masked: nearly every text holds them by chance. */
export const SHORTEST = 4

/**
 * Masks secrets in a text. Each secret of at least {@link SHORTEST} characters is found as it is, in the ways that URLs and
 * forms, JSON, Python and HTML write it, also one within another, and in base64, also as a part of what was put into
 * base64. Secrets that overlap or touch become one mask. Mask a text before you cut it.
 */
export const hide = (text: string, secrets: Iterable<string>): string => hideForms(text, formsOf(secrets))

/**
 * The same for many texts, such as all log lines: what is looked for is worked out once. Secrets of fewer than `shortest`
 * characters are left alone, because in texts of any origin they would be found by chance.
 */
export const masker = (
  secrets: Iterable<string>,
  shortest: number = SHORTEST
): ((text: string) => string) => {
  const forms = formsOf(Array.from(secrets).filter((secret) => secret.length >= shortest))
  if (forms.length === 0) return (text) => text
  const any = new RegExp(forms.map(({ source }) => source).join("|"))
  return (text) => (any.test(text) ? hideForms(text, forms) : text)
}

const hideForms = (text: string, forms: ReadonlyArray<RegExp>): string => {
  const found = forms.flatMap((form) => placesOf(text, form)).sort(([a], [b]) => a - b)
  let shown = ""
  let end = 0
  let masked = -1
  for (const [from, to] of found) {
    if (from > masked) {
      shown += text.slice(end, from) + MASK
      masked = to
    }
    masked = Math.max(masked, to)
    end = masked
  }
  return shown + text.slice(end)
}

/**
 * Masks what looks like credentials, when the secret itself is not known: what follows `Bearer` or `Basic`, and the value of a
 * header `ServiceAccountAuthenticationKey`, however a server prints headers.
 */
export const hideAuthorization = (text: string): string =>
  text.replaceAll(scheme, `$1${MASK}`).replaceAll(keyHeader, `$1${MASK}`)

/** A text as a field of a form carries it (`application/x-www-form-urlencoded`). */
export const formEncoded = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1)

// ---- private parts

// The words that sentences and challenges have there, as in "Bearer token is missing" or `Bearer realm="x"`, stay.
const scheme =
  /(?<![a-z0-9])((?:bearer|basic)(?:[\s:]|%20|\+)+["']?)(?!(?:access|and|auth|authentication|authorization|credentials?|header|is|or|scheme|tokens?|was)(?:[\s,;:)"']|\.?(?:\s|$))|(?:realm|error|error_description|scope)=)[\w.~+/%=-]+/gi

const keyHeader = /(ServiceAccountAuthenticationKey["'\\\s]*[:=,]["'\\\s]*)[^\s"'\\,;&<>(){}[\]]+/gi

/** All that is looked for. */
const formsOf = (secrets: Iterable<string>): ReadonlyArray<RegExp> =>
  Array.from(new Set(secrets))
    .filter((secret) => secret.length >= SHORTEST)
    .flatMap((secret) => [
      Array.from(secret, characterForm).join(""),
      // OAuth has the secrets of clients encoded as in a form before they are put into base64 (RFC 6749, 2.3.1).
      ...[...new Set([secret, formEncoded(secret)])].flatMap(base64Forms)
    ])
    .map((form) => new RegExp(form, "g"))

// How often one encoding may be within another. A bound, so that no answer of a server can keep the search busy.
const DEPTH = "{0,7}"

/** A character in all the ways of writing it. Letters and digits are written in one way only. */
const characterForm = (character: string): string => {
  if (/[a-z0-9]/i.test(character)) return character
  // Half a surrogate pair cannot be sent, and encoders throw on it.
  const text = character.toWellFormed()
  const unicode = Array.from({ length: text.length }, (_, index) => anyCase(hex(text.charCodeAt(index), 4)))
  const code = text.codePointAt(0) ?? 0
  const entities = [`#0{0,4}${code}`, `#[xX]0{0,4}${anyCase(code.toString(16))}`, ...(named[text] ?? [])]
  return `(?:${[
    // JSON and Python set a backslash before some of them, and for each time that this is done again, twice as many.
    `\\\\${DEPTH}${literal(character)}`,
    ...(text === character ? [] : [literal(text)]),
    ...(letters[text] === undefined ? [] : [`\\\\{1,7}${letters[text]}`]),
    `\\\\{1,7}u${unicode.join("\\\\{1,7}u")}`,
    Array.from(new TextEncoder().encode(text), (byte) => `%(?:25)${DEPTH}${anyCase(hex(byte, 2))}`).join(""),
    ...(text === " " ? ["\\+"] : []),
    `&(?:amp;)${DEPTH}(?:${entities.join("|")});`
  ].join("|")})`
}

const named: Readonly<Record<string, ReadonlyArray<string>>> = {
  "&": ["amp"],
  "<": ["lt"],
  ">": ["gt"],
  '"': ["quot"],
  "'": ["apos"]
}

const letters: Readonly<Record<string, string>> = { "\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f" }

/**
 * What base64 makes of it, behind nothing, one or two bytes of something else: without the characters that have bits of what
 * stands before it, and with any for those that have bits of what may stand behind it.
 */
const base64Forms = (secret: string): ReadonlyArray<string> => {
  const bytes = new TextEncoder().encode(secret.toWellFormed())
  return [0, 1, 2].flatMap((before) => {
    const bits = (before + bytes.length) * 8
    const all = Base64.encode(new Uint8Array([...new Uint8Array(before), ...bytes]))
    const whole = all.slice(Math.ceil((before * 8) / 6), Math.floor(bits / 6))
    if (whole.length < SHORTEST) return []
    const form = Array.from(whole, (sign) => base64Signs[sign] ?? sign).join("")
    return [bits % 6 === 0 ? form : `${form}(?:[A-Za-z0-9_-]|${base64Signs["+"]}|${base64Signs["/"]})?`]
  })
}

const base64Signs: Readonly<Record<string, string>> = {
  "+": "(?:[+-]|%2[Bb])",
  "/": "(?:[/_]|\\\\/|%2[Ff])"
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0")

const anyCase = (digits: string): string =>
  digits.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)

const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")

/** Every place of a form, also those that overlap. */
const placesOf = (text: string, form: RegExp): ReadonlyArray<readonly [from: number, to: number]> => {
  const places: Array<readonly [number, number]> = []
  form.lastIndex = 0
  for (let found = form.exec(text); found !== null; found = form.exec(text)) {
    places.push([found.index, found.index + found[0].length])
    form.lastIndex = found.index + 1
  }
  return places
}
