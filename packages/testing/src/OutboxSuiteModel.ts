/**
 * What the conformance suite of the Outbox is made of: sample runs and events, and a model of the Outbox so plain that it
 * is right by reading. Random histories are lived through by driver and model side by side.
 */
import {
  type Claim,
  type Commit,
  type Entry,
  Outbox,
  type OutboxError
} from "@observability-agents/core/Outbox"
import { TrackedRun } from "@observability-agents/core/TrackedRun"
import * as Event from "@observability-agents/toolkit/Event"
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"

/** That many seconds after the beginning of 2026. */
export const at = (seconds: number): DateTime.Utc =>
  DateTime.makeUnsafe(Date.UTC(2026, 0, 1) + seconds * 1000)

/** A run that was seen running, of the key. */
export const run = (key: string): TrackedRun => ({
  key,
  pipeline: { key: "nightly", name: "Nightly load" },
  run: { key },
  tool: "DATABRICKS",
  observedAt: at(1),
  phase: "Running",
  opening: 0,
  tasks: {},
  messages: []
})

/** One transition of a run, in the lane of that run. */
export const entry = (
  key: string,
  status: Event.RunState,
  fields: Partial<Event.RunStatusFields> = {}
): Entry => {
  const event = Event.runStatus({
    pipelineKey: "nightly",
    runKey: key,
    status,
    timestamp: at(1),
    componentTool: "DATABRICKS",
    metadata: { attempt: 1 },
    ...fields
  })
  const task = fields.taskKey === undefined ? "" : `/${fields.taskKey}`
  return { id: `nightly/${key}#0${task}:${status}`, lane: Event.lane(event), event }
}

/** A commit of the source `jobs`, that changes nothing but what is given. */
export const commit = (fields: Partial<Commit>): Commit => ({
  source: "jobs",
  runs: [],
  forget: [],
  entries: [],
  ...fields
})

/** A Tracer that keeps its spans, in the order in which they begin. */
export const collectSpans = (): {
  readonly spans: ReadonlyArray<Tracer.Span>
  readonly tracer: Tracer.Tracer
} => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

/** Lets all other fibers go on until they wait. */
export const idle: Effect.Effect<void> = Effect.repeat(Effect.yieldNow, { times: 20 })

/** Fails unless both are the same event of the same identity and lane. */
export const same = Effect.fnUntraced(function* (actual: Entry | undefined, expected: Entry) {
  assert.deepStrictEqual([actual?.id, actual?.lane], [expected.id, expected.lane])
  if (actual !== undefined)
    assert.strictEqual(yield* Event.encode(actual.event), yield* Event.encode(expected.event))
})

/** The numbers of the status. */
export const counters = (outbox: Outbox["Service"]) =>
  Effect.map(outbox.status, ({ deadLetters, delivered, inFlight, lanes, pending }) => ({
    pending,
    inFlight,
    lanes,
    deadLetters,
    delivered
  }))

/** Runs as they are stored, so that absent fields and the order of fields do not count. */
export const runsOf = (runs: ReadonlyMap<string, TrackedRun>) =>
  [...runs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, run]) => [key, Schema.encodeSync(TrackedRun)(run)])

interface Pending {
  readonly entry: Entry
  readonly committedAt: number
  attempts: number
  dueAt: number
  claim: Claim | undefined
}

/** The Outbox as a list that is searched from one end to the other. */
const makeModel = () => {
  const pending: Array<Pending> = []
  const known = new Set<string>()
  const heads = () =>
    pending.filter((item) => pending.find((other) => other.entry.lane === item.entry.lane) === item)
  const counts = { delivered: 0 }
  const buried: Array<Entry> = []
  return {
    pending,
    buried,
    counts,
    commit: (entries: ReadonlyArray<Entry>, now: number): number => {
      let accepted = 0
      for (const entry of entries) {
        if (known.has(entry.id)) continue
        known.add(entry.id)
        pending.push({ entry, committedAt: now, attempts: 0, dueAt: now, claim: undefined })
        accepted += 1
      }
      return accepted
    },
    next: (now: number): Pending | undefined =>
      heads()
        .filter((item) => item.claim === undefined && item.dueAt <= now)
        // Stable, so that of two that are due at once the first committed stays first.
        .sort((a, b) => a.dueAt - b.dueAt)[0],
    claimed: () => pending.filter((item) => item.claim !== undefined),
    remove: (item: Pending) => pending.splice(pending.indexOf(item), 1),
    status: () => ({
      pending: pending.length,
      inFlight: pending.filter((item) => item.claim !== undefined).length,
      lanes: heads().length,
      deadLetters: buried.length,
      ...counts
    })
  }
}

const Step = Schema.Struct({
  // Claims stand here twice, so that histories do not only pile up.
  does: Schema.Literals([
    "commit",
    "claim",
    "claim again",
    "deliver",
    "retry",
    "release",
    "bury",
    "replay",
    "drop",
    "wait",
    "reopen"
  ]),
  one: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
  other: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
})

/** Registers the test that lives through random histories. `store` names a new store at each call. */
export const register = (store: () => Layer.Layer<Outbox, OutboxError>, isDurable: boolean): void =>
  it.effect.prop(
    "does in any history what the port says",
    [Schema.Array(Step).check(Schema.isMaxLength(60))],
    ([steps]) =>
      Effect.gen(function* () {
        const layer = store()
        const open = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const context = yield* Layer.buildWithScope(layer, scope)
          return { outbox: Context.get(context, Outbox), close: Scope.close(scope, Exit.void) }
        })
        let opened = yield* open
        const model = makeModel()
        let committed = 0
        for (const { does, one, other } of steps) {
          const { outbox } = opened
          const now = yield* Clock.currentTimeMillis
          const claimed = model.claimed()
          const held = claimed[one % Math.max(1, claimed.length)]
          switch (does) {
            case "commit": {
              // Some of them are repeated: the counter goes on by fewer than were committed.
              const entries = Array.from({ length: one }, (_, index) => ({
                ...entry(`r${committed + index}`, "RUNNING"),
                lane: `lane ${(other + index) % 4}`
              }))
              committed += Math.min(one, other)
              const accepted = model.commit(entries, now)
              const done = yield* outbox.commit(commit({ entries }))
              assert.deepStrictEqual(done, { accepted, repeated: entries.length - accepted })
              break
            }
            case "claim":
            case "claim again": {
              const next = model.next(now)
              if (next === undefined) break
              next.claim = yield* outbox.claim
              yield* same(next.claim.entry, next.entry)
              assert.deepStrictEqual(
                [next.claim.attempts, next.claim.committedAt.epochMilliseconds],
                [next.attempts, next.committedAt]
              )
              break
            }
            case "deliver":
              if (held?.claim === undefined) break
              yield* outbox.delivered(held.claim)
              model.remove(held)
              model.counts.delivered += 1
              break
            case "bury":
              if (held?.claim === undefined) break
              yield* outbox.bury(held.claim, { reason: "rejected", words: `${other}` })
              model.remove(held)
              model.buried.push(held.entry)
              break
            case "replay": {
              // In any order, as it pleases whoever asks: they come back in the order of their burial.
              const letters = (yield* outbox.deadLetters).slice(one, one + other).reverse()
              assert.strictEqual(
                (yield* outbox.replay(letters.map(({ number }) => number))).length,
                letters.length
              )
              for (const entry of model.buried.splice(one, other)) {
                model.pending.push({ entry, committedAt: now, attempts: 0, dueAt: now, claim: undefined })
              }
              break
            }
            case "drop": {
              const letters = (yield* outbox.deadLetters).slice(one, one + 1)
              yield* outbox.drop(letters.map(({ number }) => number))
              model.buried.splice(one, 1)
              break
            }
            case "retry":
              if (held?.claim === undefined) break
              yield* outbox.retry(held.claim, { after: Duration.seconds(other), error: "503" })
              held.claim = undefined
              held.attempts += 1
              held.dueAt = now + other * 1000
              break
            case "release":
              if (held?.claim === undefined) break
              yield* outbox.release(held.claim)
              held.claim = undefined
              break
            case "wait":
              yield* TestClock.adjust(Duration.seconds(one))
              break
            case "reopen":
              if (!isDurable) break
              yield* opened.close
              opened = yield* open
              for (const item of claimed) {
                if (item.claim !== undefined) yield* opened.outbox.delivered(item.claim)
                item.claim = undefined
              }
          }
          assert.deepStrictEqual(yield* counters(opened.outbox), model.status())
          const { oldestPending } = yield* opened.outbox.status
          assert.strictEqual(
            Option.getOrUndefined(oldestPending)?.epochMilliseconds,
            model.pending[0]?.committedAt
          )
        }
        yield* opened.close
      }),
    { arbitrary: { runs: 60, seed: 20260101 }, timeout: 60_000 }
  )
