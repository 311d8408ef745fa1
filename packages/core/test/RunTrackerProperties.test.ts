import { assert, describe, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import * as FastCheck from "fast-check"
import type { Entry } from "../src/Outbox.ts"
import type { Message, Outcome, RunSnapshot, TaskSnapshot } from "../src/RunSnapshot.ts"
import * as RunTracker from "../src/RunTracker.ts"
import { isClosed, outline, TrackedRun } from "../src/TrackedRun.ts"
import { at, breach, fold, told } from "./support/runs.ts"

// The life of one run in a tool, in whole seconds, from which a snapshot can be taken at any moment.

interface Attempt {
  readonly key: string
  /** In which opening of the run it began. */
  readonly opening: number
  readonly attempt: number
  readonly begin: number
  readonly end: number
  readonly outcome: Outcome
}
interface Life {
  readonly openings: ReadonlyArray<{
    readonly begin: number
    readonly end: number
    readonly outcome: Outcome
  }>
  readonly attempts: ReadonlyArray<Attempt>
}

const outcome = FastCheck.constantFrom<Outcome>("Completed", "CompletedWithWarnings", "Failed")

const life: FastCheck.Arbitrary<Life> = FastCheck.array(
  FastCheck.record({
    gap: FastCheck.integer({ min: 1, max: 20 }),
    outcome,
    attempts: FastCheck.array(
      FastCheck.record({
        key: FastCheck.constantFrom("a", "b", "a/b@0"),
        gap: FastCheck.integer({ min: 0, max: 3 }),
        length: FastCheck.integer({ min: 0, max: 9 }),
        outcome
      }),
      { maxLength: 5 }
    )
  }),
  { minLength: 1, maxLength: 3 }
).map((openings) => {
  let clock = 0
  const attempts: Array<Attempt> = []
  const counts = new Map<string, number>()
  return {
    openings: openings.map((opening, index) => {
      clock += opening.gap
      const begin = clock
      const ends = new Map<string, number>()
      for (const { gap, key, length, outcome } of opening.attempts) {
        const start = (ends.get(key) ?? begin) + gap
        const attempt = counts.get(key) ?? 0
        counts.set(key, attempt + 1)
        ends.set(key, start + length + 1)
        attempts.push({ key, opening: index, attempt, begin: start, end: start + length, outcome })
        clock = Math.max(clock, start + length)
      }
      clock += 1
      return { begin, end: clock, outcome: opening.outcome }
    }),
    attempts
  }
})

/** What the tool leaves out or garbles in one snapshot. */
interface Gaps {
  readonly startedAt: "told" | "absent" | "zero"
  readonly endedAt: "told" | "absent" | "zero"
  readonly counts: boolean
  /** Whether a task's attempt is left out, by its place. */
  readonly without: ReadonlyArray<boolean>
  readonly taskTimes: boolean
  /** Whether the tool says that it will try a task again: as it will, or of each that failed. */
  readonly retries: "told" | "absent" | "always"
  readonly reopenedAt: "told" | "absent" | "zero"
  /** What of the metrics, tests and early messages is there yet, and whether it has a time. */
  readonly facts: "told" | "absent" | "zero"
}

const nothingMissing: Gaps = {
  startedAt: "told",
  endedAt: "told",
  counts: true,
  without: [],
  taskTimes: true,
  retries: "told",
  reopenedAt: "told",
  facts: "told"
}
const word = FastCheck.constantFrom("told" as const, "told" as const, "absent" as const, "zero" as const)
const gaps: FastCheck.Arbitrary<Gaps> = FastCheck.record({
  startedAt: word,
  endedAt: word,
  counts: FastCheck.boolean(),
  without: FastCheck.array(FastCheck.boolean(), { maxLength: 6 }),
  taskTimes: FastCheck.boolean(),
  retries: FastCheck.constantFrom("told" as const, "absent" as const, "always" as const),
  reopenedAt: word,
  facts: word
})

const complete = gaps.map((gaps): Gaps => ({ ...gaps, without: [] }))
const timely = gaps.map((gaps): Gaps => ({
  ...gaps,
  startedAt: "told",
  endedAt: "told",
  taskTimes: true,
  retries: "absent"
}))

const take = (life: Life, moment: number, missing: Gaps): RunSnapshot => {
  const index = life.openings.findLastIndex((opening) => opening.begin <= moment)
  const opening = life.openings[index]
  const first = life.openings[0]
  const given = (told: Gaps["startedAt"], seconds: number | undefined) =>
    told === "absent" || seconds === undefined
      ? undefined
      : told === "zero"
        ? DateTime.makeUnsafe(0)
        : at(seconds)
  const hasEnded = opening !== undefined && opening.end <= moment
  /** What was measured and tested by then. */
  const factsOf = (told: ReadonlyArray<readonly [key: string, seconds: number]>) => {
    const there = told.filter(([, seconds]) => missing.facts !== "absent" && seconds <= moment)
    return {
      metrics: there.map(([key, seconds]) => ({
        key,
        metric: key,
        value: seconds,
        timestamp: given(missing.facts, seconds)
      })),
      tests: there.map(([key, seconds]) => ({
        key,
        outcomes: [{ name: key, status: "PASSED" as const }],
        timestamp: given(missing.facts, seconds)
      }))
    }
  }
  const repairs = life.openings.slice(1, index + 1).map(({ begin }, number): Message => ({
    key: `repair-${number + 1}`,
    level: "INFO",
    message: "x",
    early: true,
    timestamp: given(missing.facts, begin)
  }))
  const willRetry = ({ attempt, key, opening }: Attempt): boolean =>
    missing.retries === "always" ||
    (missing.retries === "told" &&
      life.attempts.some((one) => one.key === key && one.opening === opening && one.attempt > attempt))
  return {
    pipeline: { key: "p" },
    run: { key: "r" },
    tool: "tool",
    observedAt: at(moment),
    phase: opening === undefined ? "Pending" : hasEnded ? opening.outcome : "Running",
    startedAt: given(missing.startedAt, opening === undefined ? undefined : first?.begin),
    endedAt: given(missing.endedAt, hasEnded ? opening.end : undefined),
    reopening: missing.counts && index >= 0 ? index : undefined,
    reopenedAt: given(missing.reopenedAt, index > 0 ? opening?.begin : undefined),
    messages:
      opening === undefined
        ? []
        : [
            { key: `m${index}`, level: "INFO", message: "x" },
            ...(missing.facts === "absent" ? [] : repairs.toReversed())
          ],
    ...factsOf(life.openings.map(({ begin }, number) => [`f${number}`, begin])),
    tasks: life.attempts
      .filter((attempt, place) => attempt.begin <= moment && missing.without[place] !== true)
      .map((attempt): TaskSnapshot => ({
        key: attempt.key,
        attempt: attempt.attempt,
        phase: attempt.end <= moment ? attempt.outcome : "Running",
        startedAt: missing.taskTimes ? at(attempt.begin) : undefined,
        endedAt: missing.taskTimes && attempt.end <= moment ? at(attempt.end) : undefined,
        willRetry: willRetry(attempt),
        messages: attempt.end <= moment ? [{ key: "log", level: "ERROR", message: "x" }] : [],
        ...factsOf([
          ["first", attempt.begin],
          ["last", attempt.end]
        ])
      }))
  }
}

const lastEnd = (life: Life): number => life.openings.at(-1)?.end ?? 0

/** Snapshots at any moments, with any gaps, in any order, some twice. */
const polls = (life: Life, from: FastCheck.Arbitrary<Gaps>) =>
  FastCheck.array(FastCheck.tuple(FastCheck.integer({ min: 0, max: lastEnd(life) + 5 }), from), {
    maxLength: 25
  }).map((moments) => moments.map(([moment, missing]) => take(life, moment, missing)))

const lifeAndPolls = (from: FastCheck.Arbitrary<Gaps>) =>
  life.chain((life) => FastCheck.record({ life: FastCheck.constant(life), snapshots: polls(life, from) }))

/** Statuses by identity, in any order within the run. */
const statuses = (entries: ReadonlyArray<Entry>) =>
  entries
    .filter(({ event }) => event._tag === "RunStatus")
    .map(({ id }) => id)
    .sort()

const ofRun = (ids: ReadonlyArray<string>) => ids.filter((id) => !id.includes("/", id.indexOf("#")))

/** How many attempts had begun. */
const begunBy = (life: Life, time: DateTime.Utc): number =>
  life.attempts.filter(({ begin }) => DateTime.isLessThanOrEqualTo(at(begin), time)).length

const encode = Schema.encodeSync(Schema.fromJsonString(TrackedRun))
const decode = Schema.decodeSync(Schema.fromJsonString(TrackedRun))
const runs = { numRuns: 500, seed: 7 }

describe("RunTracker, for any life of a run", () => {
  it("tells a legal sequence without repetition, whatever is polled, garbled and left out, in any order", () => {
    FastCheck.assert(
      FastCheck.property(lifeAndPolls(gaps), ({ snapshots }) => {
        const { entries } = fold(snapshots)
        assert.isUndefined(breach(entries), told(entries).join("\n"))
      }),
      runs
    )
  })

  it("loses no end: once the newest snapshot shows one, the run is closed", () => {
    FastCheck.assert(
      FastCheck.property(lifeAndPolls(gaps), gaps, ({ life, snapshots }, missing) => {
        const { entries, known } = fold([...snapshots, take(life, lastEnd(life) + 6, missing)])
        assert.isUndefined(breach(entries), told(entries).join("\n"))
        const last = entries.at(-1)?.event
        assert.strictEqual(known?.phase === "Running", false)
        assert.isTrue(last?._tag === "RunStatus" && last.taskKey === undefined && last.status !== "RUNNING")
      }),
      runs
    )
  })

  it("tells the tool's last word: with all told in the newest snapshot, its outcome is the last status", () => {
    const words = {
      Completed: "COMPLETED",
      CompletedWithWarnings: "COMPLETED_WITH_WARNINGS",
      Failed: "FAILED"
    }
    const told = FastCheck.constant(nothingMissing)
    FastCheck.assert(
      FastCheck.property(lifeAndPolls(told), ({ life, snapshots }) => {
        const { entries } = fold([...snapshots, take(life, lastEnd(life) + 6, nothingMissing)])
        const last = entries.at(-1)?.event
        const expected = words[life.openings.at(-1)?.outcome ?? "Failed"]
        assert.strictEqual(last?._tag === "RunStatus" ? last.status : undefined, expected)
      }),
      runs
    )
  })

  it("tells all of it when every moment is polled: each opening, and the end of each attempt", () => {
    FastCheck.assert(
      FastCheck.property(life, (life) => {
        const moments = Array.from({ length: lastEnd(life) + 2 }, (_, moment) =>
          take(life, moment, nothingMissing)
        )
        const { entries } = fold(moments)
        const statuses = entries.filter(
          ({ event }) => event._tag === "RunStatus" && event.taskKey === undefined
        )
        assert.strictEqual(statuses.length, 2 * life.openings.length)
        for (const { attempt, key, opening, outcome } of life.attempts) {
          const of = `${key.replaceAll("/", "%2F").replaceAll("@", "%40")}@${attempt}`
          const ids = entries.map(({ id }) => id)
          for (const fact of ["msg:log", "metric:first", "metric:last", "tests:first", "tests:last"]) {
            assert.include(ids, `p/r/${of}/${fact}`)
          }
          const next = life.attempts.find((one) => one.key === key && one.attempt === attempt + 1)
          const isRetried = next !== undefined && next.opening === opening && outcome === "Failed"
          const ended = entries.find(({ id }) => id.includes(`/${of}:`) && !id.endsWith(":RUNNING"))
          assert.strictEqual(ended === undefined, isRetried, `${of} in\n${told(entries).join("\n")}`)
          const log = entries.find(({ id }) => id === `p/r/${of}/msg:log`)?.event
          assert.strictEqual(log?._tag === "MessageLog" ? log.level : "", isRetried ? "WARNING" : "ERROR")
        }
        for (const [index, { begin }] of life.openings.entries()) {
          const ids = told(entries)
          assert.include(ids, `p/r/metric:f${index} ${begin}`)
          if (index === 0) continue
          const running = ids.indexOf(`p/r#${index}:RUNNING ${begin}`)
          assert.isAbove(running, 0, ids.join("\n"))
          assert.strictEqual(ids[running + 1], `p/r/msg:repair-${index} ${begin}`)
        }
        assert.isUndefined(breach(entries))
      }),
      runs
    )
  })

  it("invents nothing: no more openings of the run and no more ends of tasks than there were", () => {
    FastCheck.assert(
      // A tool that leaves out tasks and times cannot be told from one that is late: then, what may be news is told.
      FastCheck.property(
        FastCheck.oneof(lifeAndPolls(complete), lifeAndPolls(timely)),
        ({ life, snapshots }) => {
          const { entries } = fold(snapshots)
          const statuses = entries.flatMap(({ event }) => (event._tag === "RunStatus" ? [event] : []))
          const openings = statuses.filter(
            (status) => status.taskKey === undefined && status.status === "RUNNING"
          )
          assert.isAtMost(openings.length, life.openings.length, told(entries).join("\n"))
          for (const key of new Set(life.attempts.map((attempt) => attempt.key))) {
            const ends = statuses.filter((status) => status.taskKey === key && status.status !== "RUNNING")
            const attempts = life.attempts.filter((attempt) => attempt.key === key)
            assert.isAtMost(ends.length, attempts.length, told(entries).join("\n"))
          }
        }
      ),
      runs
    )
  })

  it("ignores what it has seen: a second pass over the same snapshots tells nothing", () => {
    FastCheck.assert(
      FastCheck.property(lifeAndPolls(gaps), ({ snapshots }) => {
        const { known } = fold(snapshots)
        const newest = snapshots.toSorted((a, b) => DateTime.Order(a.observedAt, b.observedAt)).at(-1)
        if (newest === undefined) return
        const same = snapshots.filter(
          (one) => one !== newest && DateTime.isLessThan(one.observedAt, newest.observedAt)
        )
        assert.deepStrictEqual(told(fold(same, known).entries), [])
      }),
      runs
    )
  })

  it("tells a legal sequence, and the last word, also when the clock is set back between polls", () => {
    // Each poll is a while after the one before, by a clock that is set back now and then.
    const setBacks = FastCheck.array(
      FastCheck.tuple(
        FastCheck.integer({ min: 1, max: 20 }),
        FastCheck.option(FastCheck.integer({ min: 600, max: 7200 }))
      ),
      { maxLength: 20 }
    )
    FastCheck.assert(
      FastCheck.property(life, gaps, setBacks, (life, missing, steps) => {
        let moment = 0
        let behind = 0
        const polled = steps.map(([passed, setBack]) => {
          moment += passed
          behind += setBack ?? 0
          return { ...take(life, moment, missing), observedAt: at(moment - behind) }
        })
        const last = Math.max(moment, lastEnd(life)) + 6
        const { entries, known } = fold([
          ...polled,
          { ...take(life, last, missing), observedAt: at(last - behind) }
        ])
        assert.isUndefined(breach(entries), told(entries).join("\n"))
        assert.notStrictEqual(known?.phase, "Running")
      }),
      runs
    )
  })

  it("goes on legally, and tells nothing twice, from the outline of an ended run", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.oneof(lifeAndPolls(timely), lifeAndPolls(FastCheck.constant(nothingMissing))),
        FastCheck.array(FastCheck.boolean(), { minLength: 30, maxLength: 30 }),
        ({ life, snapshots }, reduced) => {
          // In their order: what is reduced was not on any list for long.
          const polled = [
            ...snapshots.toSorted((a, b) => DateTime.Order(a.observedAt, b.observedAt)),
            take(life, lastEnd(life) + 6, nothingMissing)
          ]
          let full: TrackedRun | undefined
          let known: TrackedRun | undefined
          const entries = new Map<string, Entry>()
          const expected = new Map<string, Entry>()
          for (const [index, snapshot] of polled.entries()) {
            const tracked = RunTracker.track(known, snapshot)
            // As the Outbox does: an identity that is known is left out.
            for (const entry of tracked.entries) if (!entries.has(entry.id)) entries.set(entry.id, entry)
            known =
              isClosed(tracked.known) && reduced[index] === true ? outline(tracked.known) : tracked.known
            const direct = RunTracker.track(full, snapshot)
            for (const entry of direct.entries) expected.set(entry.id, entry)
            full = direct.known
          }
          const all = Array.from(entries.values())
          assert.isUndefined(breach(all), told(all).join("\n"))
          const others = statuses(Array.from(expected.values()))
          // A task that the tool had left out when the run ended is old news afterwards, and not told late.
          const isComplete = polled.every(
            ({ tasks, observedAt }) => tasks.length === begunBy(life, observedAt)
          )
          if (isComplete) {
            assert.deepStrictEqual(statuses(all), others)
            assert.sameMembers(Array.from(entries.keys()), Array.from(expected.keys()))
          } else assert.includeMembers(others, statuses(all))
          assert.deepStrictEqual(ofRun(statuses(all)), ofRun(others))
        }
      ),
      runs
    )
  })

  it("tells a legal sequence, and the last word, when the run is lost in between", () => {
    const words = {
      Completed: "COMPLETED",
      CompletedWithWarnings: "COMPLETED_WITH_WARNINGS",
      Failed: "FAILED"
    }
    const losses = FastCheck.array(FastCheck.option(FastCheck.integer({ min: 0, max: 5 })), {
      minLength: 25,
      maxLength: 25
    })
    const play = (life: Life, snapshots: ReadonlyArray<RunSnapshot>, lost: ReadonlyArray<number | null>) => {
      let known: TrackedRun | undefined
      const entries: Array<Entry> = []
      for (const [index, snapshot] of snapshots.entries()) {
        const tracked = RunTracker.track(known, snapshot)
        entries.push(...tracked.entries)
        known = tracked.known
        const after = lost[index] ?? null
        if (after === null) continue
        const left = RunTracker.lose(known, DateTime.add(known.observedAt, { seconds: after }))
        entries.push(...left.entries)
        known = decode(encode(index % 2 === 0 && isClosed(left.known) ? outline(left.known) : left.known))
      }
      const last = fold([take(life, lastEnd(life) + 200, nothingMissing)], known)
      // As the Outbox does: an identity that is known is left out.
      const once = new Map<string, Entry>()
      for (const entry of [...entries, ...last.entries]) if (!once.has(entry.id)) once.set(entry.id, entry)
      return { entries: Array.from(once.values()), known: last.known }
    }
    FastCheck.assert(
      FastCheck.property(lifeAndPolls(gaps), losses, ({ life, snapshots }, lost) => {
        const { entries, known } = play(life, snapshots, lost)
        assert.isUndefined(breach(entries), told(entries).join("\n"))
        assert.notStrictEqual(known?.phase, "Running")
      }),
      runs
    )
    FastCheck.assert(
      FastCheck.property(
        lifeAndPolls(FastCheck.constant(nothingMissing)),
        losses,
        ({ life, snapshots }, lost) => {
          // Lost at the moment at which it was seen: then no end is earlier than that.
          const { entries } = play(
            life,
            snapshots,
            lost.map((after) => (after === null ? null : 0))
          )
          const last = entries.at(-1)?.event
          const expected = words[life.openings.at(-1)?.outcome ?? "Failed"]
          assert.strictEqual(last?._tag === "RunStatus" ? last.status : undefined, expected)
          assert.isUndefined(breach(entries), told(entries).join("\n"))
        }
      ),
      runs
    )
  })

  it("knows as much after its TrackedRun went through JSON, at every step", () => {
    FastCheck.assert(
      FastCheck.property(lifeAndPolls(gaps), ({ snapshots }) => {
        let direct: TrackedRun | undefined
        let stored: TrackedRun | undefined
        for (const snapshot of snapshots) {
          const one = RunTracker.track(direct, snapshot)
          const other = RunTracker.track(stored, snapshot)
          assert.deepStrictEqual(told(other.entries), told(one.entries))
          assert.strictEqual(encode(other.known), encode(one.known))
          direct = one.known
          stored = decode(encode(other.known))
        }
      }),
      { numRuns: 300, seed: 7 }
    )
  })
})
