/**
 * When a request is the same as a recorded one, and, where none is, in words: which come nearest, and what differs.
 */
import * as CassetteBody from "./CassetteBody.ts"
import * as Tape from "./CassetteTape.ts"

/** What makes requests the same. */
export interface Options {
  /** Query parameters, and fields of JSON and form bodies at any depth, that are not compared: times, for example. */
  readonly ignore?: ReadonlyArray<string> | undefined
  /** What is compared, instead of method, path, query and body. */
  readonly key?: ((request: Tape.Request) => string) | undefined
}

/** See {@link make}. */
export interface Match {
  /** Requests with one key are the same. */
  readonly key: (request: Tape.Request) => string
  /** Why a request has no answer. `same` are the places of interactions that were the same, if all were used. */
  readonly explain: (request: Tape.Request, same: ReadonlyArray<number>, where: string) => string
}

/**
 * Compares with what is on a tape. The host counts only where the tape holds more than one, and the scheme never: a recording
 * of `http://127.0.0.1:8080` answers for `https://workspace.test`.
 */
export const make = (interactions: ReadonlyArray<Tape.Interaction>, options: Options = {}): Match => {
  const hosts = new Set(interactions.map(({ request }) => split(request.url).host))
  const ignored = new Set(options.ignore ?? [])
  const parts = (request: Tape.Request): Parts => partsOf(request, hosts.size > 1, ignored)
  const key = options.key ?? ((request) => JSON.stringify([...parts(request)]))
  return {
    key,
    explain: (request, same, where) => {
      const asked = `  ${Tape.show(request)}`
      if (same.length > 0) {
        const numbers = same.map((index) => `#${index + 1}`).join(", ")
        return `The cassette ${where} has no further answer for this request:\n${asked}\nIt was recorded ${same.length === 1 ? "once" : `${same.length} times`} (${numbers}), and every answer was given. If the last answer may be repeated, say \`exhausted: "last"\`; if answers depend on the time, \`order: "time"\`; otherwise record anew: ${Tape.AGAIN}.`
      }
      const nearest = interactions
        .map(({ request: other }, index) => ({
          line: `  #${index + 1} ${Tape.show(other)}`,
          key: key(other),
          differences: differences(parts(other), parts(request))
        }))
        .sort((a, b) => distance(a.differences) - distance(b.differences))
        .filter((one, index, all) => all.findIndex((other) => other.key === one.key) === index)
        .slice(0, NEAREST)
      const found =
        nearest.length === 0
          ? "Nothing is on it."
          : `The nearest of the ${interactions.length} on it:\n${nearest
              .map(({ differences, line }) =>
                [line, ...differences.slice(0, SHOWN).map(({ words }) => `     ${words}`)].join("\n")
              )
              .join("\n")}`
      const names = new Set(nearest[0]?.differences.flatMap(({ name }) => (name === undefined ? [] : [name])))
      const hint =
        names.size === 0
          ? ""
          : `If that does not matter: \`ignore: ${JSON.stringify([...names])}\`. Otherwise `
      return `The cassette ${where} has no answer for this request:\n${asked}\n${found}\n${hint}${hint === "" ? "Record" : "record"} anew: ${Tape.AGAIN}.`
    }
  }
}

// ---- private

const NEAREST = 3

const SHOWN = 6

/** What is compared: by the name of the part. */
type Parts = ReadonlyMap<string, string>

interface Difference {
  readonly words: string
  readonly weight: number
  readonly name?: string
}

const split = (url: string): { readonly host: string; readonly path: string } => {
  const [, host = "", path = ""] = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)(.*)$/i.exec(url) ?? []
  return { host: host.toLowerCase(), path: path === "" ? "/" : path }
}

const partsOf = (request: Tape.Request, withHost: boolean, ignored: ReadonlySet<string>): Parts => {
  const { host, path } = split(request.url)
  const parts = new Map<string, string>([
    ["method", request.method],
    ["path", path]
  ])
  if (withHost) parts.set("host", host)
  const add = (name: string, value: string) => {
    const before = parts.get(name)
    parts.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  for (const [name, value] of Tape.pairs(request.query)) {
    if (!ignored.has(name)) add(`${QUERY}${name}`, value)
  }
  const { body } = request
  if (body === undefined) return parts
  if ("form" in body) {
    for (const [name, value] of Tape.pairs(body.form)) if (!ignored.has(name)) add(`${FIELD}${name}`, value)
  } else if ("json" in body && isRecord(body.json)) {
    for (const [name, value] of Object.entries(body.json).sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!ignored.has(name)) add(`${FIELD}${name}`, Tape.restore(JSON.stringify(canonical(value, ignored))))
    }
  } else {
    add("body", "json" in body ? JSON.stringify(canonical(body.json, ignored)) : bodyText(body))
  }
  return parts
}

const QUERY = "query parameter "

const FIELD = "field of the body "

const bodyText = (body: Tape.Body): string =>
  "base64" in body
    ? `${CassetteBody.toBytes(body).length} bytes ${String(body.base64)}`
    : CassetteBody.toText(body)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The same value with its names in order, without those that are not compared. */
const canonical = (value: unknown, ignored: ReadonlySet<string>): unknown => {
  if (Array.isArray(value)) return value.map((one) => canonical(one, ignored))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !ignored.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, one]) => [name, canonical(one, ignored)])
  )
}

const differences = (recorded: Parts, now: Parts): ReadonlyArray<Difference> =>
  [...new Set([...recorded.keys(), ...now.keys()])].flatMap((part) => {
    const before = recorded.get(part)
    const after = now.get(part)
    if (before === after) return []
    const words =
      before === undefined
        ? `${part}: not on the cassette, ${shown(after)} now`
        : after === undefined
          ? `${part}: ${shown(before)} on the cassette, not there now`
          : `${part}: ${shown(before)} on the cassette, ${shown(after)} now`
    const name = [QUERY, FIELD].flatMap((kind) => (part.startsWith(kind) ? [part.slice(kind.length)] : []))[0]
    const weight =
      part === "path"
        ? pathWeight(before ?? "", after ?? "")
        : part === "method"
          ? 8
          : part === "host"
            ? 4
            : 1
    return [{ words, weight, ...(name === undefined ? {} : { name }) }]
  })

const distance = (all: ReadonlyArray<Difference>): number => all.reduce((sum, { weight }) => sum + weight, 0)

/** Less for paths that begin alike. */
const pathWeight = (before: string, after: string): number => {
  const [a, b] = [before.split("/"), after.split("/")]
  return 4 * a.concat(b).length - 8 * a.filter((part, index) => part === b[index]).length + 4
}

const shown = (text = ""): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text)
