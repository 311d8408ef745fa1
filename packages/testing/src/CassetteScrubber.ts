/**
 * Takes out of a recording what must not be kept. Headers are kept only if they are on a list. Values are masked where their
 * name says that they are secret, and a value that was masked once is looked for everywhere from then on, in every form that
 * URLs, JSON and base64 give it: a server may repeat a token in an answer where nobody expects it.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import * as CassetteBody from "./CassetteBody.ts"
import * as Tape from "./CassetteTape.ts"
import * as Words from "./CassetteWords.ts"

/** What is taken out beyond what always is. */
export interface Options {
  /**
   * Secrets that are known, such as the token of the settings, or all that `LoadedSecrets.of` finds there. Those of fewer than
   * six characters are not looked for, because they would be found by chance.
   */
  readonly secrets?: Iterable<string | Redacted.Redacted> | undefined
  /**
   * Hosts by the name that stands for them on the cassette, such as `{ "workspace.test": process.env["WORKSPACE_URL"] }`.
   * While recording, a request to the stand-in goes to the real one. For replay the real one may be `undefined`.
   */
  readonly hosts?: Readonly<Record<string, string | undefined>> | undefined
  /** Further names of parameters and fields whose values are secret. Case, `-` and `_` do not matter. */
  readonly names?: ReadonlyArray<string> | undefined
  /** Names that are not secret here though they look so, such as `token` where it is the number of a page. */
  readonly keep?: ReadonlyArray<string> | undefined
  /** Further headers to be kept. Those that carry credentials never are. */
  readonly headers?: ReadonlyArray<string> | undefined
  /** Whether addresses of e-mail stay as they are. Default: each becomes one of its own, the same each time. */
  readonly emails?: "keep" | undefined
  /** What else is replaced in all texts: patterns, and what takes their place. They are applied one after another. */
  readonly replace?: ReadonlyArray<readonly [pattern: string | RegExp, by: string]> | undefined
}

/** See {@link make}. */
export interface Scrubber {
  /** A request without what is secret in it. What was found is remembered. */
  readonly request: (request: Tape.Request) => Tape.Request
  /** An answer without what is secret in it. What was found is remembered. */
  readonly answer: (answer: Tape.Answer) => Tape.Answer
  /** A text without what is secret in it. */
  readonly text: (text: string) => string
  /** The interaction without what came to be known as secret only after it was scrubbed. */
  readonly again: (interaction: Tape.Interaction) => Tape.Interaction
  /** Whether something secret, or the real name of a host, still stands in this text. */
  readonly isIn: (text: string) => boolean
}

/** A scrubber that knows the secrets it is given, and learns others from what it takes out. */
export const make = (options: Options = {}): Scrubber => {
  const known = new Set(
    Array.from(options.secrets ?? [], (secret) =>
      (Redacted.isRedacted(secret) ? Redacted.value(secret) : secret).trim()
    )
  )
  let mask: ((text: string) => string) | undefined
  const hide = (text: string) => (mask ??= Secrecy.masker(known, SHORTEST_GIVEN))(text)
  const learn = (secret: string) => {
    const text = secret.trim()
    if (text.length < SHORTEST_LEARNED || text.includes(Secrecy.MASK) || known.has(text)) return
    known.add(text)
    mask = undefined
  }
  const taken = (secret: string) => {
    learn(secret)
    return secret === "" ? "" : Secrecy.MASK
  }
  const kept = new Set((options.keep ?? []).map(Words.plain))
  const named = new Set((options.names ?? []).map(Words.plain))
  const isSecret = (name: string) =>
    !kept.has(Words.plain(name)) && (named.has(Words.plain(name)) || Words.isSecret(name))
  const hosts = Object.entries(options.hosts ?? {}).flatMap(([standIn, real]) => {
    const host = real === undefined ? "" : Words.hostOf(real)
    return host === "" || host === standIn ? [] : [{ standIn, host, form: Words.hostForm(host) }]
  })
  const headers = new Set([...Words.HEADERS, ...(options.headers ?? []).map((name) => name.toLowerCase())])

  const unassigned = (text: string): string => {
    let shown = ""
    let end = 0
    for (const { meant, start, value } of Words.assignments(text, isSecret)) {
      shown += text.slice(end, start) + taken(meant)
      end = start + value.length
    }
    return shown + text.slice(end)
  }
  const text = (text: string): string => {
    // First what is known for certain: of a secret that another rule cut into pieces, some would stay readable.
    const masked = hide(text)
      .replaceAll(Words.SHAPES, taken)
      .replaceAll(Words.SCHEME, (_, scheme: string, credentials: string) => {
        Words.credentialsOf(credentials).forEach(learn)
        return scheme + Secrecy.MASK
      })
      .replaceAll(
        Words.USER_INFO,
        (all: string, start: string, user: string, password: string | undefined) => {
          // Without a password it may be the container of a storage, but for addresses of the web.
          if (password === undefined && !/^https?:/i.test(start)) return all
          learn(Words.percentDecoded(password ?? user))
          return start
        }
      )
      .replaceAll(Words.ELEMENT, (all: string, start: string, name: string, value: string, end: string) =>
        isSecret(name) ? start + taken(value) + end : all
      )
    let shown = hide(unassigned(masked))
    for (const { form, standIn } of hosts) shown = shown.replaceAll(form, standIn)
    if (options.emails !== "keep") shown = shown.replaceAll(Words.EMAIL, Words.pseudonym)
    for (const [pattern, by] of options.replace ?? []) shown = shown.replaceAll(everywhere(pattern), by)
    return shown
  }

  const json = (value: unknown, secret: boolean): unknown => {
    if (typeof value === "string") {
      if (!secret) return inner(value) ?? unprotected(value, text(value))
      const digits = Tape.digitsOf(value)
      if (digits === undefined) return taken(value)
      learn(digits)
      return 0
    }
    if (Array.isArray(value)) return value.map((one) => json(one, secret))
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => {
        if (typeof one !== "number" || !isSecret(name)) {
          return [text(name), json(one, secret || isSecret(name))]
        }
        learn(String(one))
        return [text(name), 0]
      })
    )
  }
  /** JSON within a text is written anew only if something was taken out of it. */
  const inner = (text: string): string | undefined => {
    const parsed = /^\s*[{[]/.test(text)
      ? Result.try((): unknown => JSON.parse(Tape.protect(text)))
      : undefined
    if (parsed === undefined || Result.isFailure(parsed)) return undefined
    const shown = JSON.stringify(json(parsed.success, false))
    return shown === JSON.stringify(parsed.success) ? undefined : Tape.restore(shown)
  }
  const fields = (all: Tape.Fields = {}) =>
    Tape.fields(
      Tape.pairs(all).map(([name, value]) => [text(name), isSecret(name) ? taken(value) : text(value)])
    )
  const body = (body: Tape.Body): Tape.Body => {
    if ("json" in body) return { json: json(body.json, false) }
    if ("form" in body) return { form: fields(body.form) ?? {} }
    return "text" in body ? CassetteBody.ofText(text(CassetteBody.toText(body))) : body
  }
  const isCredential = (name: string) => Words.isCredential(name) || isSecret(name)
  const head = (all: Readonly<Record<string, string>> = {}) => {
    for (const [name, value] of Object.entries(all)) {
      if (isCredential(name)) Words.credentialsOf(value).forEach(learn)
    }
    const some = Object.entries(all).filter(
      ([name]) => headers.has(name.toLowerCase()) && !isCredential(name)
    )
    return some.length === 0
      ? {}
      : { headers: Object.fromEntries(some.map(([name, value]) => [name.toLowerCase(), text(value)])) }
  }
  return {
    text,
    request: (request) => {
      const headers = head(request.headers)
      const query = fields(request.query)
      return {
        method: request.method,
        url: text(request.url),
        ...(query === undefined ? {} : { query }),
        ...headers,
        ...(request.body === undefined ? {} : { body: body(request.body) })
      }
    },
    answer: (answer) => ({
      status: answer.status,
      ...head(answer.headers),
      ...(answer.body === undefined ? {} : { body: body(answer.body) })
    }),
    again: ({ answer, failure, request, ...times }) => ({
      ...times,
      request: remasked(request, hide),
      ...(answer === undefined ? {} : { answer: remasked(answer, hide) }),
      ...(failure === undefined ? {} : { failure: hide(failure) })
    }),
    isIn: (text) =>
      hide(text) !== text ||
      hosts.some(({ form, host, standIn }) => !standIn.includes(host) && text.search(form) >= 0)
  }
}

// ---- private

const SHORTEST_GIVEN = 6

// What is taken for a secret by its name alone may be an ordinary word, and would then be masked all over.
const SHORTEST_LEARNED = 8

const everywhere = (pattern: string | RegExp): string | RegExp =>
  typeof pattern === "string" || pattern.global ? pattern : new RegExp(pattern.source, `${pattern.flags}g`)

/** Base64 stays whole: a mask within it would spoil all of it, and whether something is in there is checked. */
const remasked = <A extends { readonly body?: Tape.Body }>(message: A, hide: (text: string) => string): A => {
  const isBytes = message.body !== undefined && "base64" in message.body
  const shown: unknown = Object.fromEntries(
    Object.entries(message).map(([name, part]) => [
      name,
      isBytes && name === "body" ? part : each(part, hide)
    ])
  )
  // SAFETY: only texts were changed, and a mask is a text.
  return shown as A
}

/** What was changed in a large number, and is none any more, is a text like any other. */
const unprotected = (before: string, after: string): string =>
  before === after || Tape.digitsOf(before) === undefined || Tape.digitsOf(after) !== undefined
    ? after
    : after.slice(1)

/** Every text in a value, and every name, changed. */
const each = (value: unknown, change: (text: string) => string): unknown => {
  if (typeof value === "string") return unprotected(value, change(value))
  if (Array.isArray(value)) return value.map((one) => each(one, change))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [change(name), each(one, change)]))
}
