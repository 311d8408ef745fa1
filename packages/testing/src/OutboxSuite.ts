/**
 * What every driver of the Outbox has to pass: the promises of the port, sentence by sentence. One line per driver:
 *
 *     OutboxSuite.suite("OutboxMemory", (store) => OutboxMemory.layer(store))
 *
 * Needs Vitest and `@effect/vitest`. All runs in virtual time.
 */
import type { Outbox, OutboxError } from "@observability-agents/core/Outbox"
import { describe } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import { claims } from "./OutboxSuiteClaims.ts"
import { clock, clockReopened } from "./OutboxSuiteClock.ts"
import { commits, waiting } from "./OutboxSuiteCommits.ts"
import { histories } from "./OutboxSuiteHistory.ts"
import * as Model from "./OutboxSuiteModel.ts"
import { reopening } from "./OutboxSuiteReopening.ts"
import { settlements } from "./OutboxSuiteSettlements.ts"

/** The store that a test asks for. */
export interface Store {
  /** Two layers of the same name are the same store, of different names different ones. Fit for a file name. */
  readonly name: string
  /** From how many pending events on commits wait, and below which they go on; absent: never reached. */
  readonly capacity?: number | undefined
  /** How many delivered events and notes are remembered; absent: as many as by default. */
  readonly historyLimit?: number | undefined
  /** How many dead letters are kept; absent: as many as by default. */
  readonly deadLetterCapacity?: number | undefined
}

/** What kind of driver it is. */
export interface Options {
  /** What was committed is there again when a layer of the same name is built anew. */
  readonly durable?: boolean | undefined
}

/** A driver: makes the layer of that store. */
export type Driver = (store: Store) => Layer.Layer<Outbox, OutboxError>

/** Makes the layer of a store of its own each time, of that capacity, or with those bounds. */
export type Fresh = (bounds?: number | Omit<Store, "name">) => Layer.Layer<Outbox, OutboxError>

/** Registers the tests of one driver under that name. */
export const suite = (name: string, driver: Driver, options: Options = {}): void => {
  describe(`${name}`, () => {
    let stores = 0
    const fresh: Fresh = (bounds) =>
      driver({
        name: `store-${stores++}`,
        ...(typeof bounds === "number" ? { capacity: bounds } : bounds)
      })
    commits(fresh)
    waiting(fresh)
    claims(fresh)
    settlements(fresh)
    clock(fresh)
    histories(fresh)
    if (options.durable === true) {
      reopening(driver)
      clockReopened(driver)
    }
    Model.register(() => {
      const name = `model-${stores++}`
      return driver({ name })
    }, options.durable === true)
  })
}
