/**
 * What happened around an agent, in virtual time and in the order in which it happened: what was polled, made, sent and
 * answered. It is made of nothing that differs from one run to the next, so the same story gives the same text.
 */
import * as Secrecy from "@observability-agents/toolkit/Secrecy"

/** Who did it. */
export type Actor = "suite" | "test" | "tool" | "agent" | "outbox" | "server" | "health" | "log"

/** One line of a Timeline. */
export interface Moment {
  /** Milliseconds since the beginning. */
  readonly at: number
  readonly actor: Actor
  readonly text: string
}

/** A Timeline that grows. */
export interface Timeline {
  readonly moments: ReadonlyArray<Moment>
  /** Adds a line. A text of several lines becomes one. */
  readonly add: (at: number, actor: Actor, text: string) => void
  /** A text as it is shown: for who cuts it, which has to come afterwards. */
  readonly mask: (text: string) => string
}

/** An empty Timeline that begins at this time (milliseconds since 1970) and shows these texts as `***`. */
export const make = (begin: number, secrets: ReadonlyArray<string> = []): Timeline => {
  const moments: Array<Moment> = []
  const mask = masker(secrets)
  return {
    moments,
    mask,
    add: (at, actor, text) => {
      // First the secrets: one of several lines is none any more when it stands in one.
      const line = mask(text).replace(/\s*\n\s*/g, " ")
      moments.push({ at: at - begin, actor, text: line })
    }
  }
}

/** The text with `***` in place of the secrets, in whatever way URLs, JSON and headers write them. */
export const mask = (text: string, secrets: ReadonlyArray<string>): string => masker(secrets)(text)

/**
 * The Timeline as text, a line for each moment. Lines that say the same one after the other are counted instead of
 * repeated: `(5 times)`. Where there are more than `most`, first the polls that found nothing are left out, then the
 * middle; and it is said how many.
 */
export const render = ({ moments }: Pick<Timeline, "moments">, most = Infinity): string => {
  // News is heard a little later than it is told.
  const sorted = counted(moments.toSorted((a, b) => a.at - b.at))
  if (sorted.length <= most) return sorted.map(line).join("\n")
  const lines = withoutQuiet(sorted)
  if (lines.length <= most) return lines.join("\n")
  const half = Math.floor(most / 2)
  return [
    ...lines.slice(0, half),
    leftOut(lines.length - 2 * half),
    ...lines.slice(lines.length - half)
  ].join("\n")
}

/** A time since the beginning: `+0:01:30.250`. */
export const stamp = (millis: number): string => {
  const two = (value: number) => String(value).padStart(2, "0")
  const seconds = Math.floor(Math.abs(millis) / 1000)
  const fraction = String(Math.abs(millis) % 1000).padStart(3, "0")
  return `${millis < 0 ? "-" : "+"}${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${fraction}`
}

const masker = (secrets: ReadonlyArray<string>): ((text: string) => string) => {
  const hide = Secrecy.masker(secrets)
  const short = secrets.filter((secret) => secret !== "" && secret.length < Secrecy.SHORTEST)
  return (text) =>
    short.reduce(
      (masked, secret) => masked.replaceAll(secret, "***"),
      hide(text).replaceAll(Secrecy.MASK, "***")
    )
}

const line = ({ actor, at, text }: Moment): string => `${stamp(at)}  ${actor.padEnd(6)}  ${text}`

const leftOut = (count: number): string => `${" ".repeat(16)}… ${count} lines are left out …`

const counted = (moments: ReadonlyArray<Moment>): ReadonlyArray<Moment> => {
  const groups: Array<{ readonly moment: Moment; times: number }> = []
  for (const moment of moments) {
    const last = groups.at(-1)
    if (last?.moment.actor === moment.actor && last.moment.text === moment.text) last.times += 1
    else groups.push({ moment, times: 1 })
  }
  return groups.map(({ moment, times }) =>
    times === 1 ? moment : { ...moment, text: `${moment.text} (${times} times)` }
  )
}

/** Leaves out what is between the first and the last lines of a long row of polls that found nothing. */
const withoutQuiet = (moments: ReadonlyArray<Moment>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let quiet: Array<Moment> = []
  const tell = () => {
    const between = quiet.length - 2 * KEPT
    lines.push(
      ...(between < 2
        ? quiet.map(line)
        : [
            ...quiet.slice(0, KEPT).map(line),
            leftOut(between),
            ...quiet.slice(quiet.length - KEPT).map(line)
          ])
    )
    quiet = []
  }
  for (const moment of moments) {
    if (isQuiet(moment)) {
      quiet.push(moment)
      continue
    }
    tell()
    lines.push(line(moment))
  }
  tell()
  return lines
}

const KEPT = 3

const isQuiet = ({ actor, text }: Moment): boolean =>
  (actor === "tool" && text.endsWith(" → 200")) || (actor === "agent" && text.startsWith("read "))
