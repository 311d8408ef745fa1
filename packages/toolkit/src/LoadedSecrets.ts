/**
 * All secrets that the settings hold, in one set: what no output of the program may show, whoever wrote it. It is the last
 * line of defence; what is near a secret masks it by itself (see the module Secrecy).
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Secrecy from "./Secrecy.ts"
import type { Section } from "./Settings.ts"
import * as Resolution from "./SettingsResolution.ts"
import type { Sources } from "./Sources.ts"

/** Shorter secrets are not masked everywhere: a text would hold them by chance. */
export const SHORTEST = 6

/** The values of all secret settings of the sections, wherever they were given; also `user:password` where both are there. */
export const of = (sources: Sources, sections: ReadonlyArray<Section<unknown>>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const { field, given, value } of Resolution.resolve(sources, sections)) {
    if (Result.isSuccess(value)) collect(value.success, field.secret, found)
    // What was not accepted may be a secret all the same.
    if (field.secret && given !== undefined && Result.isSuccess(given.raw))
      collect(given.raw.success, true, found)
  }
  return found
}

/** Masks these secrets in a text. */
export const masker = (
  sources: Sources,
  sections: ReadonlyArray<Section<unknown>>
): ((text: string) => string) => Secrecy.masker(of(sources, sections), SHORTEST)

const collect = (value: unknown, isSecret: boolean, found: Set<string>): void => {
  if (Redacted.isRedacted(value)) return collect(Redacted.value(value), true, found)
  if (typeof value === "string") {
    if (!isSecret) return
    const text = value.trim()
    found.add(text)
    const credentials = /^(?:bearer|basic)\s+(\S+)$/i.exec(text)?.[1]
    if (credentials !== undefined) found.add(credentials)
    return
  }
  if (typeof value !== "object" || value === null) return
  const parts: ReadonlyArray<unknown> = Object.values(value)
  for (const part of parts) collect(part, isSecret, found)
  // HTTP Basic puts both into one text.
  const [user, password] = parts
  if (
    Array.isArray(value) &&
    parts.length === 2 &&
    Redacted.isRedacted(user) &&
    Redacted.isRedacted(password)
  ) {
    found.add(`${String(Redacted.value(user))}:${String(Redacted.value(password))}`)
  }
}
