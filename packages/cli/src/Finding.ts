/** What a check found. */

/** One line of `check`. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly what: string
  readonly state: "ok" | "warning" | "failed"
  /** What was found; of what is not well also what to do. */
  readonly text: string
  /** The exit code that it stands for, where it failed. */
  readonly exitCode?: number | undefined
}
