/**
 * Secrets that can be recognised wherever they turn up: whole, in part, and in the ways that URLs, forms, JSON, HTML,
 * base64 and hexadecimal digits write them.
 */
import { createHash } from "node:crypto"

/** A secret of a test. */
export interface Canary {
  /** Where it was planted, such as `[http] params`. */
  readonly id: string
  readonly value: string
}

/** Where one was found. */
export interface Leak {
  readonly where: string
  readonly id: string
  /** What stands around it. */
  readonly excerpt: string
}

/** Makes secrets, and finds them. The same `id` gives the same secret. */
export interface Canaries {
  readonly of: (id: string) => string
  readonly all: () => ReadonlyArray<Canary>
  /** Every leak of a text or of bytes, but of those that may stand there. */
  readonly find: (
    where: string,
    output: string | Buffer,
    allowed?: ReadonlySet<string>
  ) => ReadonlyArray<Leak>
}

/** How long a part of a secret may be that is not found. */
const PART = 9

// Letters and digits only, which no encoding but base64 changes; the first and the last of them alone are unique, too.
const stemOf = (id: string): string => {
  const digits = BigInt(`0x${createHash("sha256").update(id).digest("hex")}`)
    .toString(36)
    .slice(2, 2 + 2 * PART)
  return `C${digits}y`
}

// What encodings write otherwise. All of it may stand in a header, in a URL's password and in a profile file.
const TAIL = `/+"&%=~'<`

/** Makes a set of them. */
export const make = (): Canaries => {
  const known = new Map<string, Canary>()
  let search: { readonly any: RegExp; readonly ids: ReadonlyMap<string, string> } | undefined
  const patterns = () => {
    if (search !== undefined) return search
    const ids = new Map<string, string>()
    for (const { id } of known.values()) for (const form of formsOf(stemOf(id))) ids.set(form, id)
    // Letters and digits only, but for base64's signs.
    search = {
      any: new RegExp([...ids.keys()].map((form) => form.replaceAll("+", "\\+")).join("|"), "g"),
      ids
    }
    return search
  }
  return {
    of: (id) => {
      const there = known.get(id)
      if (there !== undefined) return there.value
      const value = `${stemOf(id)}${TAIL}`
      known.set(id, { id, value })
      search = undefined
      return value
    },
    all: () => [...known.values()],
    find: (where, output, allowed = new Set()) => {
      const text = typeof output === "string" ? output : output.toString("latin1")
      const { any, ids } = patterns()
      const leaks: Array<Leak> = []
      for (const { 0: form, index } of text.matchAll(any)) {
        const id = ids.get(form)
        if (id === undefined || allowed.has(id)) continue
        leaks.push({
          where,
          id,
          excerpt: text.slice(Math.max(0, index - 80), index + 60).replaceAll(/\s+/g, " ")
        })
      }
      return leaks
    }
  }
}

const formsOf = (stem: string): ReadonlyArray<string> => [
  ...[stem.slice(0, PART), stem.slice(-PART)].flatMap((part) => [
    part,
    part.toUpperCase(),
    part.toLowerCase()
  ]),
  ...[0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), Buffer.from(stem)]).toString("base64")
    // Without the characters that have bits of what stands before or behind.
    const whole = encoded.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + stem.length) * 8) / 6))
    return [whole.slice(0, 12), whole.slice(-12)].flatMap((part) => [
      part,
      part.replaceAll("+", "-").replaceAll("/", "_")
    ])
  }),
  Buffer.from(stem)
    .toString("hex")
    .slice(0, 2 * PART)
]
