/**
 * How secrets look in texts: the names that stand before them, the headers that carry them, and the shapes of tokens of common
 * services. Further what names of hosts and addresses of e-mail look like.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"

/** A name as it is compared: without case, `-`, `_` and `.`. */
export const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "")

/** Whether values under this name are secret. Numbers of pages and types of tokens are not. */
export const isSecret = (name: string): boolean => {
  const word = plain(name)
  return NAMES.has(word) || ENDINGS.test(word)
}

/** Headers that are kept, unless they carry credentials. */
export const HEADERS: ReadonlyArray<string> = [
  "accept allow content-encoding content-range content-type deprecation etag if-modified-since if-none-match",
  "last-modified link location prefer range ratelimit-limit ratelimit-remaining ratelimit-reset retry-after",
  "sunset www-authenticate x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset"
].flatMap((line) => line.split(" "))

/** Whether this header carries credentials. */
export const isCredential = (name: string): boolean =>
  /^(?:authorization|cookie|set-cookie|proxy-.*|x-.*(?:key|token|secret|auth|signature))$/i.test(name) ||
  isSecret(name)

/** What such a header holds of them: what stands behind the scheme, a password, the values of cookies. */
export const credentialsOf = (value: string): ReadonlyArray<string> => {
  const [, rest = value] = /^[A-Za-z]+\s+(\S.*)$/.exec(value) ?? []
  const basic = Result.getOrUndefined(Base64.decodeString(rest))
  const password = basic === undefined ? undefined : /^[^:]*:(.*)$/s.exec(basic)?.[1]
  const cookies = value.split(/[;,]\s*/).flatMap((part) => /^[^=\s]+=(.+)$/.exec(part)?.[1] ?? [])
  // A sentence is no secret, and a list of cookies is none as a whole.
  return [rest, ...(password === undefined ? [] : [password]), ...cookies].filter(
    (one) => !/;|\s\S+\s/.test(one)
  )
}

/** Tokens of common services, and keys in PEM form. */
export const SHAPES =
  /\b(?:(?:dapi|dkea|dose)[0-9a-f]{32}|gh[pousr]_\w{30,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{0,20000}?-----END [A-Z ]*PRIVATE KEY-----/g

/** A scheme of HTTP, and what stands behind it, if that is no word. */
export const SCHEME = /((?:bearer|basic)(?:\s|%20|\+)+)(?=\S*\d|\S{20})([\w.~+/%=-]{12,})/gi

/** The beginning of a URL, a user, and a password if there is one. */
export const USER_INFO =
  /(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,20}:\/\/)([^\s/:@"'<>\\]*)(?::([^\s/@"'<>\\]*))?@(?=[^\s/@]*(?:[/:?#\s"'\\]|$))/gi

/** An element of XML: its beginning, its name, its text, its end. */
export const ELEMENT = /(<([A-Za-z][\w.:-]*)>)([^<]+)(<\/\2>)/g

/** An address of e-mail whose domain exists, or could. Names of storage containers in URLs look like it and are none. */
export const EMAIL =
  /(?<![\w.%+-]|:\/\/)[\w.+-]+(?:@|%40)(?:[A-Za-z0-9-]+\.)+(?!(?:test|example|invalid)\b)[A-Za-z]{2,}\b/g

/** A value in a text, behind its name. */
export interface Assignment {
  /** Where the value begins. */
  readonly start: number
  /** The value as it is written. */
  readonly value: string
  /** The value as it was before JSON or a URL wrote it. */
  readonly meant: string
}

/** The values behind names that are secret, in whatever way JSON, Python, forms and headers print them. */
export const assignments = (text: string, secret: (name: string) => boolean): ReadonlyArray<Assignment> => {
  const found: Array<Assignment> = []
  let end = 0
  for (const match of text.matchAll(NAME)) {
    const [all, name = "", quote = "", sign = ""] = match
    // A word with a colon behind it is a sentence, if it is neither quoted nor the name of a header.
    const isName = sign.includes("=") || quote !== "" || name.includes("-")
    if (match.index < end || !isName || !secret(name)) continue
    const from = match.index + all.length
    const [opened = ""] = /^\\*["']/.exec(text.slice(from, from + 16)) ?? []
    const start = from + opened.length
    const form = opened === '"' ? IN_DOUBLE : opened === "'" ? IN_SINGLE : opened === "" ? BARE : IN_ESCAPED
    const [value = ""] = form.exec(text.slice(start)) ?? []
    if (value === "") continue
    found.push({ start, value, meant: percentDecoded(opened === '"' ? unescaped(value) : value) })
    end = start + value.length
  }
  return found
}

/** The text that a URL or a form encodes so; the same text where it is not encoded. */
export const percentDecoded = (text: string): string =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(text)),
    () => text
  )

/** The host of an address, with or without a scheme; empty where there is none. */
export const hostOf = (address: string): string => {
  const url = Result.try(() => new URL(address.includes("://") ? address : `https://${address}`))
  return Result.isSuccess(url) ? url.success.host : ""
}

/** The host wherever it stands as a whole, also in what is encoded for a URL. */
export const hostForm = (host: string): RegExp =>
  new RegExp(
    `(?<=^|[^A-Za-z0-9-]|%[0-9A-Fa-f]{2})${literal(host).replace(":", "(?::|%3[Aa])")}(?![A-Za-z0-9-])`,
    "gim"
  )

/**
 * An address that stands for this one: the same for the same one, in a recording as in its replay. The 24 bits of a hash in it do
 * not lead back, though they let somebody who knows an address see that it may be this one.
 */
export const pseudonym = (address: string): string => {
  let hash = 0x811c9dc5
  for (const unit of address.replace("%40", "@").toLowerCase()) {
    hash = Math.imul(hash ^ (unit.codePointAt(0) ?? 0), 0x01000193)
  }
  const name = (hash >>> 8).toString(16).padStart(6, "0")
  return `someone-${name}${address.includes("%40") ? "%40" : "@"}mail.test`
}

// ---- private

const NAMES: ReadonlySet<string> = new Set(
  [
    "accesskey accesskeyid accountkey apikey assertion authorization bearer clientassertion connectionstring cookie",
    "credential credentials csrftoken idtoken jwt passphrase passwd privatekey proxyauthorization pwd samlresponse",
    "secret secrets securitytoken serviceaccountauthenticationkey serviceaccountkey sessiontoken setcookie",
    "sharedaccesskey sig signature token xamzcredential xamzsecuritytoken xamzsignature xsrftoken"
  ].flatMap((line) => line.split(" "))
)

const ENDINGS = /(?:password|secret|apikey|accesstoken|authtoken|apitoken|refreshtoken|secretkey|privatekey)$/

const NAME = /(?<![\w.-])([A-Za-z][\w.-]{0,99})((?:\\*["'])?)(\s{0,9}[:=]\s{0,9})/g

const IN_DOUBLE = /^(?:[^"\\]|\\.)*/s

const IN_SINGLE = /^(?:[^'\\]|\\.)*/s

const IN_ESCAPED = /^[^"'\\]*/

const BARE = /^[^\s"'\\&;,<>(){}[\]]+/

const unescaped = (value: string): string => {
  const parsed = Result.try((): unknown => JSON.parse(`"${value}"`))
  return Result.isSuccess(parsed) && typeof parsed.success === "string" ? parsed.success : value
}

const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
