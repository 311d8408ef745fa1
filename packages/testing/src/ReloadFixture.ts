/**
 * A Reload without files and signals: a test says what the settings file holds now, and that it is to be read again.
 */
import * as Reload from "@observability-agents/core/Reload"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as SettingsFixture from "./SettingsFixture.ts"

/** What a test has in its hands. */
export interface ReloadFixture {
  /** Provides the Reload and the first settings. */
  readonly layer: Layer.Layer<never, Settings.SettingsError>
  /** Writes other settings, and asks for them to be read. What comes of it takes a few steps of the fibers. */
  readonly change: (tables: SettingsFixture.Tables) => Effect.Effect<void>
  /** How often they were read again. */
  readonly reads: () => number
}

/**
 * Makes a Reload that begins with these tables.
 */
export const make = Effect.fnUntraced(function* (
  tables: SettingsFixture.Tables,
  sections: ReadonlyArray<Settings.Section<unknown>>
): Effect.fn.Return<ReloadFixture> {
  const requests = yield* Queue.sliding<void>(1)
  let now = tables
  let reads = 0
  const reading = (): Reload.Reading => {
    const sources = SettingsFixture.sources(now)
    return { sources, settings: Settings.layer(sources, sections) }
  }
  const initial = reading()
  const reload = Reload.make({
    initial: initial.sources,
    sections,
    request: Queue.take(requests),
    read: Effect.sync(() => {
      reads += 1
      return reading()
    })
  })
  return {
    layer: Layer.merge(Layer.succeed(Reload.Current, reload), initial.settings),
    change: (tables) =>
      Effect.suspend(() => {
        now = tables
        return Effect.asVoid(Queue.offer(requests, undefined))
      }),
    reads: () => reads
  }
})
