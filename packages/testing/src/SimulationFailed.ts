/**
 * How a simulation fails: with all that a person needs to see why, and to see it again. What was expected and what came,
 * the seed, and the timeline of what was polled, made, sent and answered in virtual time.
 */
import * as Schema from "effect/Schema"

/** A simulation did not go as its script says. `message` is to be read by people; secrets are masked in it. */
export class SimulationFailed extends Schema.TaggedError<SimulationFailed>()("SimulationFailed", {
  /** What is wrong, in a sentence without the final full stop. */
  what: Schema.String,
  /** What was expected and what came, side by side, and what else is known; lines, possibly none. */
  details: Schema.Array(Schema.String),
  /** With it the same happens again. */
  seed: Schema.String,
  /** What happened, in virtual time. */
  timeline: Schema.String
}) {
  override get message(): string {
    return [this.what, ...this.details, footer(this.seed, this.timeline)].join("\n")
  }
}

/**
 * Makes the failure, with the stack of the test's own line. The message has all fields: who prints an error with its fields
 * shall not print a timeline once more.
 */
export const make = (
  fields: {
    readonly what: string
    readonly details: ReadonlyArray<string>
    readonly seed: string
    readonly timeline: string
  },
  stack: string
): SimulationFailed => {
  const failed = new SimulationFailed(fields)
  for (const name of Object.keys(fields)) Object.defineProperty(failed, name, { enumerable: false })
  failed.stack = `${failed.name}: ${failed.message}\n${stack}`
  return failed
}

/** The end of every report: the seed and the timeline. */
export const footer = (seed: string, timeline: string): string =>
  [
    `Seed: ${JSON.stringify(seed)} (SIMULATION_SEED=${quoted(seed)} plays it again)`,
    "Timeline:",
    timeline
  ].join("\n")

/** For a shell. */
const quoted = (seed: string): string =>
  /^[\w.-]+$/.test(seed) ? seed : `'${seed.replaceAll("'", `'\\''`)}'`
