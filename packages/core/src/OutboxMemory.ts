/**
 * The Outbox in memory: for tests, for scripts, and for agents whose backlog may be lost with the process. It keeps the
 * same promises as a durable driver as long as the process lives. Every operation costs no more than the logarithm of
 * the number of lanes, and nothing polls: who has to wait is woken.
 *
 * ```ts
 * import { Outbox } from "@observability-agents/core/Outbox"
 * import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const outbox = yield* Outbox
 *   yield* outbox.commit({ source: "scheduler", runs: [], forget: [], entries: [] })
 *   return yield* outbox.status
 * }).pipe(Effect.provide(OutboxMemory.layer()))
 * ```
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Cursor from "./Cursor.ts"
import * as DueHeap from "./DueHeap.ts"
import * as EventTitle from "./EventTitle.ts"
import {
  type Claim,
  type Commit,
  type Committed,
  DEAD_LETTER_CAPACITY,
  type DeadLetter,
  type Entry,
  HISTORY_LIMIT,
  HISTORY_RETENTION,
  IDENTITY_RETENTION,
  type LaneHistory,
  type Note,
  Outbox
} from "./Outbox.ts"
import * as History from "./OutboxMemoryHistory.ts"
import * as Letters from "./OutboxSqliteLetters.ts"
import * as SteadyTime from "./SteadyTime.ts"
import * as TraceContext from "./TraceContext.ts"
import type { TrackedRun } from "./TrackedRun.ts"

/** How much the Outbox holds. */
export interface Options {
  /** How many pending events make commits wait. Default 10 000. */
  readonly capacity?: number | undefined
  /** How long the identity of an event is remembered. Default `IDENTITY_RETENTION`. */
  readonly identityRetention?: Duration.Input | undefined
  /** How many dead letters are kept; of more, the oldest go. Default `DEAD_LETTER_CAPACITY`. */
  readonly deadLetterCapacity?: number | undefined
  /** How long notes and delivered events are kept. Default `HISTORY_RETENTION`. */
  readonly historyRetention?: Duration.Input | undefined
  /** How many of each are kept. Default `HISTORY_LIMIT`; with 0 there is no history. */
  readonly historyLimit?: number | undefined
}

/** An empty Outbox in memory. */
export const layer = (options?: Options): Layer.Layer<Outbox> => Layer.effect(Outbox, make(options))

/** Makes an empty Outbox in memory. See {@link layer}. */
export const make = (options?: Options): Effect.Effect<Outbox["Service"]> =>
  Effect.zipWith(Semaphore.make(1), SteadyTime.make, (gate, steady) => {
    const store = makeStore(options, steady)
    const now = Clock.currentTimeMillis

    // One commit at a time waits for room, so that those behind it keep their order.
    const waitForRoom: Effect.Effect<void> = Effect.suspend(() =>
      store.isFull() ? Effect.andThen(Deferred.await(store.room.next()), waitForRoom) : Effect.void
    )
    const waitForDue: Effect.Effect<Claim> = Effect.suspend(() => {
      const time = steady.now()
      const claim = store.take(time)
      if (claim !== undefined) return Effect.succeed(claim)
      const woken = Deferred.await(store.due.next())
      const due = store.nextDue()
      const waiting =
        due === undefined
          ? woken
          : Effect.timeoutOrElse(woken, { duration: due - time, orElse: () => Effect.void })
      return Effect.andThen(Effect.interruptible(waiting), waitForDue)
    })

    return Outbox.of({
      commit: (commit) =>
        TraceContext.withCommitSpan(commit, (traceparent) =>
          gate.withPermit(
            Effect.andThen(
              waitForRoom,
              Effect.map(now, (time) => store.commit(commit, time, traceparent))
            )
          )
        ),
      checkpoint: (source) => Effect.sync(() => store.checkpoint(source)),
      claim: Effect.uninterruptible(waitForDue),
      delivered: (claim) => Effect.map(now, (time) => store.delivered(claim, time)),
      retry: (claim, { after, error }) =>
        Effect.sync(() => store.putOff(claim, steady.now() + Math.ceil(Duration.toMillis(after)), error)),
      release: (claim) => Effect.sync(() => store.release(claim)),
      bury: (claim, { reason, words }) =>
        Effect.map(now, (time) => store.bury(claim, { reason, words }, time)),
      deadLetters: Effect.sync(() => store.deadLetters()),
      replay: (numbers) => Effect.map(now, (time) => store.replay(numbers, time)),
      drop: (numbers) => Effect.map(now, (time) => store.drop(numbers, time)),
      history: (lane) => Effect.map(now, (time) => store.history(lane, time)),
      verify: Effect.sync(() => store.verify()),
      status: Effect.sync(() => store.status())
    })
  })

// ---- the store: synchronous, so that each change is one step for all fibers

interface Node {
  readonly seq: number
  readonly entry: Entry
  readonly committedAt: number
  readonly traceparent: string | undefined
  attempts: number
  error: string | undefined
  /** By the `SteadyTime`, so that no setting of the clock holds it up. */
  dueAt: number
  /** The next one of its lane. */
  behind: Node | undefined
  /** Its neighbours among all pending events, by age. */
  older: Node | undefined
  younger: Node | undefined
}

/** A lane with pending events. It is in the heap while there is no claim on its head. */
interface Lane {
  readonly name: string
  head: Node
  tail: Node
}

/** Something that fibers wait for: all who wait when it happens are woken. */
const makeSignal = () => {
  let waiting: Deferred.Deferred<void> | undefined
  return {
    next: () => (waiting ??= Deferred.makeUnsafe<void>()),
    notify: () => {
      const woken = waiting
      waiting = undefined
      if (woken !== undefined) Deferred.doneUnsafe(woken, Effect.void)
    }
  }
}

const isDueBefore = (a: Lane, b: Lane): boolean =>
  a.head.dueAt !== b.head.dueAt ? a.head.dueAt < b.head.dueAt : a.head.seq < b.head.seq

const makeStore = (options: Options | undefined, steady: SteadyTime.SteadyTime) => {
  const capacity = Math.max(1, options?.capacity ?? 10_000)
  const identityRetention = Duration.toMillis(options?.identityRetention ?? IDENTITY_RETENTION)
  const deadLetterCapacity = Math.max(1, options?.deadLetterCapacity ?? DEAD_LETTER_CAPACITY)
  const history = History.make({
    retention: Duration.toMillis(options?.historyRetention ?? HISTORY_RETENTION),
    limit: options?.historyLimit ?? HISTORY_LIMIT
  })

  const room = makeSignal()
  const due = makeSignal()
  const lanes = new Map<string, Lane>()
  const claims = new Map<string, Lane>()
  const heap = DueHeap.make(isDueBefore)
  const pendingIds = new Set<string>()
  /** In the order of the latest commits that named them, so that the oldest stand first. */
  const identities = new Map<string, number>()
  const cursors = new Map<string, number>()
  const runs = new Map<string, Map<string, TrackedRun>>()
  /** By number, the oldest first. */
  const buried = new Map<number, { readonly letter: DeadLetter; readonly seq: number }>()
  let oldest: Node | undefined
  let youngest: Node | undefined
  let seq = 0
  let tokens = 0
  let buriedCount = 0
  let delivered = 0
  let latestDelivered: DateTime.Utc | undefined

  const enter = (lane: Lane): void => {
    heap.push(lane)
    // Who waits for a later time has to look again only when there is an earlier one now.
    if (heap.peek() === lane) due.notify()
  }

  const append = (entry: Entry, time: number, traceparent?: string): void => {
    const node: Node = {
      seq: seq++,
      entry,
      committedAt: time,
      traceparent,
      attempts: 0,
      error: undefined,
      dueAt: steady.now(),
      behind: undefined,
      older: youngest,
      younger: undefined
    }
    if (youngest === undefined) oldest = node
    else youngest.younger = node
    youngest = node
    pendingIds.add(entry.id)
    const lane = lanes.get(entry.lane)
    identities.delete(entry.id)
    identities.set(entry.id, time)
    if (lane === undefined) {
      const fresh: Lane = { name: entry.lane, head: node, tail: node }
      lanes.set(entry.lane, fresh)
      enter(fresh)
    } else {
      lane.tail.behind = node
      lane.tail = node
    }
  }

  /** Removes the claimed head of a lane and lets the lane go on. */
  const remove = (lane: Lane): void => {
    const node = lane.head
    if (node.older === undefined) oldest = node.younger
    else node.older.younger = node.younger
    if (node.younger === undefined) youngest = node.older
    else node.younger.older = node.older
    pendingIds.delete(node.entry.id)
    if (node.behind === undefined) lanes.delete(lane.name)
    else {
      lane.head = node.behind
      enter(lane)
    }
    if (!isFull()) room.notify()
  }

  /** The lane of a claim that is not settled yet, which it is from now on. */
  const settle = (claim: Claim): Lane | undefined => {
    const lane = claims.get(claim.token)
    if (lane === undefined) return undefined
    claims.delete(claim.token)
    return lane
  }

  const isFull = (): boolean => pendingIds.size >= capacity

  const forgetIdentities = (time: number): void => {
    for (const [id, committedAt] of identities) {
      if (committedAt > time - identityRetention) return
      identities.delete(id)
      if (pendingIds.has(id)) identities.set(id, time)
    }
  }

  const commit = (change: Commit, time: number, traceparent: string | undefined): Committed => {
    forgetIdentities(time)
    let known = runs.get(change.source)
    if (known === undefined) {
      known = new Map()
      runs.set(change.source, known)
    }
    for (const run of change.runs) known.set(run.key, run)
    for (const key of change.forget) known.delete(key)
    const cursor = Cursor.move(cursors.get(change.source), change.cursor?.epochMilliseconds, time)
    if (cursor !== undefined) cursors.set(change.source, cursor)
    let accepted = 0
    for (const entry of change.entries) {
      if (identities.has(entry.id)) continue
      append(entry, time, traceparent)
      accepted += 1
    }
    history.note(change.notes ?? [], time)
    return { accepted, repeated: change.entries.length - accepted }
  }

  /** Takes dead letters away, and leaves notes. */
  const unbury = (numbers: ReadonlyArray<number>, done: "replayed" | "dropped", time: number) => {
    const found = Array.from(new Set(numbers))
      .sort((a, b) => a - b)
      .flatMap((number) => buried.get(number)?.letter ?? [])
    for (const letter of found) buried.delete(letter.number)
    history.note(
      found.map(({ entry: { event, lane }, number, words }): Note =>
        Letters.changed(done, { lane, number, title: EventTitle.title(event), words }, time)
      ),
      time
    )
    return found
  }

  const historyOf = (name: string, time: number): LaneHistory => {
    const events = Array.from(history.deliveredIn(name, time))
    for (let node = lanes.get(name)?.head; node !== undefined; node = node.behind) {
      const dueAt = DateTime.makeUnsafe(steady.toSystem(node.dueAt))
      events.push({ seq: node.seq, event: History.pastEvent(node, { _tag: "Waiting", dueAt }) })
    }
    for (const { letter, seq } of buried.values()) {
      const { attempts, buriedAt, committedAt, entry, number, reason, words } = letter
      if (entry.lane !== name) continue
      const told = { seq, entry, committedAt: committedAt.epochMilliseconds, attempts, error: undefined }
      const event = History.pastEvent(told, { _tag: "Buried", at: buriedAt, number, reason, words })
      events.push({ seq, event })
    }
    events.sort(
      (a, b) => a.event.committedAt.epochMilliseconds - b.event.committedAt.epochMilliseconds || a.seq - b.seq
    )
    return { notes: history.notesIn(name, time), events: events.map(({ event }) => event) }
  }

  const verify = (): ReadonlyArray<string> => {
    let count = 0
    for (const lane of lanes.values()) {
      for (let node: Node | undefined = lane.head; node !== undefined; node = node.behind) count += 1
    }
    const orphans = Array.from(pendingIds).filter((id) => !identities.has(id)).length
    return [
      ...(count === pendingIds.size
        ? []
        : [`The lanes hold ${count} events, but ${pendingIds.size} are pending.`]),
      ...(orphans === 0 ? [] : [`${orphans} pending events have no identity.`])
    ]
  }

  const take = (time: number): Claim | undefined => {
    const lane = heap.peek()
    if (lane === undefined || lane.head.dueAt > time) return undefined
    heap.pop()
    const { attempts, committedAt, entry, traceparent } = lane.head
    const token = String(tokens++)
    claims.set(token, lane)
    return { entry, attempts, committedAt: DateTime.makeUnsafe(committedAt), traceparent, token }
  }

  return {
    room,
    due,
    isFull,
    commit,
    take,
    nextDue: () => heap.peek()?.head.dueAt,
    checkpoint: (source: string) => ({
      cursor: Option.map(Option.fromUndefinedOr(cursors.get(source)), DateTime.makeUnsafe),
      runs: new Map(runs.get(source))
    }),
    delivered: (claim: Claim, time: number): void => {
      const lane = settle(claim)
      if (lane === undefined) return
      const { timestamp } = lane.head.entry.event
      delivered += 1
      if (timestamp !== undefined) {
        latestDelivered = latestDelivered === undefined ? timestamp : DateTime.max(latestDelivered, timestamp)
      }
      history.delivered(lane.head, time)
      remove(lane)
    },
    putOff: (claim: Claim, dueAt: number, error: string): void => {
      const lane = settle(claim)
      if (lane === undefined) return
      lane.head.attempts += 1
      lane.head.error = error
      lane.head.dueAt = dueAt
      enter(lane)
    },
    release: (claim: Claim): void => {
      const lane = settle(claim)
      if (lane !== undefined) enter(lane)
    },
    bury: (claim: Claim, why: Pick<DeadLetter, "reason" | "words">, time: number): void => {
      const lane = settle(claim)
      if (lane === undefined) return
      const { attempts, committedAt, entry, seq } = lane.head
      buriedCount += 1
      const letter: DeadLetter = {
        number: buriedCount,
        entry,
        attempts,
        committedAt: DateTime.makeUnsafe(committedAt),
        buriedAt: DateTime.makeUnsafe(time),
        ...why
      }
      buried.set(buriedCount, { letter, seq })
      for (const number of buried.keys()) {
        if (buried.size <= deadLetterCapacity) break
        buried.delete(number)
      }
      remove(lane)
    },
    deadLetters: () => Array.from(buried.values(), ({ letter }) => letter),
    replay: (numbers: ReadonlyArray<number>, time: number): ReadonlyArray<number> =>
      unbury(numbers, "replayed", time).map(({ entry, number }) => {
        if (!pendingIds.has(entry.id)) append(entry, time)
        return number
      }),
    drop: (numbers: ReadonlyArray<number>, time: number): ReadonlyArray<number> =>
      unbury(numbers, "dropped", time).map(({ number }) => number),
    history: historyOf,
    verify,
    status: () => ({
      pending: pendingIds.size,
      inFlight: claims.size,
      lanes: lanes.size,
      deadLetters: buried.size,
      delivered,
      oldestPending: Option.map(Option.fromUndefinedOr(oldest), (node) =>
        DateTime.makeUnsafe(node.committedAt)
      ),
      latestDelivered: Option.fromUndefinedOr(latestDelivered)
    })
  }
}
