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
 * forms, JSON and HTML write it, and in base64. For HTTP Basic give `user:password` as a secret too, since that is what is put into
 * base64 there. Secrets that overlap or touch become one mask. Mask a text before you cut it.
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
  if (forms.size === 0) return (text) => text
  const any = new RegExp(
    Array.from(forms, (form) => form.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|")
  )
  return (text) => (any.test(text) ? hideForms(text, forms) : text)
}

const hideForms = (text: string, forms: ReadonlySet<string>): string => {
  const found = [...forms].flatMap((form) => placesOf(text, form)).sort(([a], [b]) => a - b)
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
const formsOf = (secrets: Iterable<string>): ReadonlySet<string> => {
  const forms = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < SHORTEST) continue
    // Half a surrogate pair cannot be sent, and encoders throw on it.
    const text = secret.toWellFormed()
    const base64 = Base64.encode(text).replace(/=+$/, "")
    const url = [encodeURIComponent(text), encodeURI(text), formEncoded(text)]
    for (const form of [
      secret,
      text,
      ...url,
      ...url.map((each) => each.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
      JSON.stringify(text).slice(1, -1),
      JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
      inHtml(text, "&#39;"),
      inHtml(text, "&#x27;"),
      base64,
      base64.replaceAll("+", "-").replaceAll("/", "_"),
      encodeURIComponent(base64)
    ]) {
      if (form.length >= SHORTEST) forms.add(form)
    }
  }
  return forms
}

const inHtml = (text: string, apostrophe: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", apostrophe)

/** Every place of a form, also those that overlap. */
const placesOf = (text: string, form: string): ReadonlyArray<readonly [from: number, to: number]> => {
  const places: Array<readonly [number, number]> = []
  for (let from = text.indexOf(form); from >= 0; from = text.indexOf(form, from + 1)) {
    places.push([from, from + form.length])
  }
  return places
}
