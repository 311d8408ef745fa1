/**
 * The secrets that a program has come to know while it runs: those of its settings, also of earlier readings, and the access
 * tokens that it was given for them. What was asked with a secret from before may still be answered with it in the answer.
 */
import * as LoadedSecrets from "./LoadedSecrets.ts"
import * as Secrecy from "./Secrecy.ts"

/** Masks all that is known. */
export interface KnownSecrets {
  /** The text with everything masked that is known by now, in texts of any origin. */
  readonly mask: (text: string) => string
  /** Takes the secrets of the settings as they were just read. Those of the last 16 readings are kept. */
  readonly know: (secrets: ReadonlySet<string>) => void
  /** Takes one that was given at run time, such as an access token. The last 64 are kept. */
  readonly learn: (secret: string) => void
}

/** Knows nothing yet. */
export const make = (): KnownSecrets => {
  const readings: Array<ReadonlySet<string>> = []
  const learned = new Set<string>()
  // Worked out when it is first needed: tokens of many workspaces come all at once.
  let hide: ((text: string) => string) | undefined
  const masker = () => {
    const all = [...readings.flatMap((secrets) => [...secrets]), ...learned]
    return Secrecy.masker(new Set(all), LoadedSecrets.SHORTEST)
  }
  return {
    mask: (text) => (hide ??= masker())(text),
    know: (secrets) => {
      readings.push(secrets)
      if (readings.length > READINGS) readings.shift()
      hide = undefined
    },
    learn: (secret) => {
      if (learned.has(secret)) return
      learned.add(secret)
      for (const oldest of learned) {
        if (learned.size <= LEARNED) break
        learned.delete(oldest)
      }
      hide = undefined
    }
  }
}

// ---- private parts

const READINGS = 16

// Of dozens of workspaces each has one at a time, for an hour.
const LEARNED = 64
