/**
 * The places at which a test can make the store fail: the steps of the SQLite driver of the Outbox, as a crash or a full disk
 * would, and the port that an agent uses. Nothing is called, and nothing is measured, where a reference is not set.
 */
import * as Context from "effect/Context"
import type { Outbox } from "./Outbox.ts"

/**
 * What the driver is about to do, or has just done. Each step of `begin` … `commit` is inside one transaction; `after`
 * `commit` the change is durable, though nobody was told.
 */
export type OutboxStep =
  | "begin"
  | "insert events"
  | "upsert runs"
  | "forget runs"
  | "move cursor"
  | "prune identities"
  | "delete event"
  | "count delivered"
  | "put off event"
  | "bury event"
  | "record notes"
  | "record history"
  | "replay dead letters"
  | "drop dead letters"
  | "set aside"
  | "commit"

/** Called before and after each step; what it throws takes the place of an error of SQLite. */
export type Fault = (step: OutboxStep, when: "before" | "after") => void

/** For tests only: see {@link Fault}. Read once, when the store is opened. */
export const OutboxFault: Context.Reference<Fault | undefined> = Context.Reference<Fault | undefined>(
  "@observability-agents/core/OutboxFault",
  { defaultValue: () => undefined }
)

/** For tests only: put around the Outbox of an agent, whatever its driver. Read once, when the store is opened. */
export const OutboxAround: Context.Reference<(outbox: Outbox["Service"]) => Outbox["Service"]> =
  Context.Reference<(outbox: Outbox["Service"]) => Outbox["Service"]>(
    "@observability-agents/core/OutboxAround",
    { defaultValue: () => (outbox) => outbox }
  )
