/**
 * The Outbox in memory: for tests, for scripts, and for agents whose backlog may be lost with the process. It keeps the
 * same promises as a durable driver as long as the process lives. Every operation costs no more than the logarithm of
 * the number of lanes, and nothing polls: who has to wait is woken.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as DueHeap from "./DueHeap.ts"
import { type Claim, type Commit, type Committed, type DeadLetter, type Entry, Outbox } from "./Outbox.ts"
import type { TrackedRun } from "./TrackedRun.ts"

/** How much the Outbox holds. */
export interface Options {
  /** How many pending events make commits wait. Default 10 000. */
  readonly capacity?: number | undefined
  /** How long the identity of an event is remembered after it was last committed. Default 60 days. */
  readonly identityRetention?: Duration.Input | undefined
  /** How many dead letters are kept; of more, the oldest go (they are counted on). Default 10 000. */
  readonly deadLetterCapacity?: number | undefined
}

/** An empty Outbox in memory. */
export const layer = (options?: Options): Layer.Layer<Outbox> => Layer.effect(Outbox, make(options))

/** Makes an empty Outbox in memory. See {@link layer}. */
export const make = (options?: Options): Effect.Effect<Outbox["Service"]> =>
  Effect.map(Semaphore.make(1), (gate) => {
    const store = makeStore(options)
    const now = Clock.currentTimeMillis

    // One commit at a time waits for room, so that those behind it keep their order.
    const waitForRoom: Effect.Effect<void> = Effect.suspend(() =>
      store.isFull() ? Effect.andThen(Deferred.await(store.room.next()), waitForRoom) : Effect.void
    )
    const waitForDue: Effect.Effect<Claim> = Effect.flatMap(now, (time) => {
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
        gate.withPermit(
          Effect.andThen(
            waitForRoom,
            Effect.map(now, (time) => store.commit(commit, time))
          )
        ),
      checkpoint: (source) => Effect.sync(() => store.checkpoint(source)),
      claim: Effect.uninterruptible(waitForDue),
      delivered: (claim) => Effect.sync(() => store.delivered(claim)),
      retry: (claim, { after }) =>
        Effect.map(now, (time) => store.putOff(claim, time + Math.ceil(Duration.toMillis(after)))),
      release: (claim) => Effect.sync(() => store.release(claim)),
      bury: (claim, { reason, words }) =>
        Effect.map(now, (time) => store.bury(claim, { reason, words }, time)),
      deadLetters: Effect.sync(() => store.deadLetters()),
      status: Effect.sync(() => store.status())
    })
  })

// ---- the store: synchronous, so that each change is one step for all fibers

interface Node {
  readonly seq: number
  readonly entry: Entry
  readonly committedAt: number
  attempts: number
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

const makeStore = (options: Options | undefined) => {
  const capacity = Math.max(1, options?.capacity ?? 10_000)
  const identityRetention = Duration.toMillis(options?.identityRetention ?? "60 days")
  const deadLetterCapacity = options?.deadLetterCapacity ?? 10_000

  const room = makeSignal()
  const due = makeSignal()
  const lanes = new Map<string, Lane>()
  const claims = new Map<string, Lane>()
  const heap = DueHeap.make(isDueBefore)
  const pendingIds = new Set<string>()
  /** In the order of the latest commits that named them, so that the oldest stand first. */
  const identities = new Map<string, number>()
  const cursors = new Map<string, DateTime.Utc>()
  const runs = new Map<string, Map<string, TrackedRun>>()
  let buried: Array<DeadLetter> = []
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

  const append = (entry: Entry, time: number): void => {
    const node: Node = {
      seq: seq++,
      entry,
      committedAt: time,
      attempts: 0,
      dueAt: time,
      behind: undefined,
      older: youngest,
      younger: undefined
    }
    if (youngest === undefined) oldest = node
    else youngest.younger = node
    youngest = node
    pendingIds.add(entry.id)
    const lane = lanes.get(entry.lane)
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

  const commit = (change: Commit, time: number): Committed => {
    forgetIdentities(time)
    let known = runs.get(change.source)
    if (known === undefined) {
      known = new Map()
      runs.set(change.source, known)
    }
    for (const run of change.runs) known.set(run.key, run)
    for (const key of change.forget) known.delete(key)
    const cursor = cursors.get(change.source)
    if (
      change.cursor !== undefined &&
      (cursor === undefined || DateTime.isGreaterThan(change.cursor, cursor))
    ) {
      cursors.set(change.source, change.cursor)
    }
    let accepted = 0
    for (const entry of change.entries) {
      const isRepeated = identities.delete(entry.id)
      identities.set(entry.id, time)
      if (isRepeated) continue
      append(entry, time)
      accepted += 1
    }
    return { accepted, repeated: change.entries.length - accepted }
  }

  const take = (time: number): Claim | undefined => {
    const lane = heap.peek()
    if (lane === undefined || lane.head.dueAt > time) return undefined
    heap.pop()
    const { attempts, committedAt, entry } = lane.head
    const token = String(tokens++)
    claims.set(token, lane)
    return { entry, attempts, committedAt: DateTime.makeUnsafe(committedAt), token }
  }

  return {
    room,
    due,
    isFull,
    commit,
    take,
    nextDue: () => heap.peek()?.head.dueAt,
    checkpoint: (source: string) => ({
      cursor: Option.fromUndefinedOr(cursors.get(source)),
      runs: new Map(runs.get(source))
    }),
    delivered: (claim: Claim): void => {
      const lane = settle(claim)
      if (lane === undefined) return
      const { timestamp } = lane.head.entry.event
      delivered += 1
      if (timestamp !== undefined) {
        latestDelivered = latestDelivered === undefined ? timestamp : DateTime.max(latestDelivered, timestamp)
      }
      remove(lane)
    },
    putOff: (claim: Claim, dueAt: number): void => {
      const lane = settle(claim)
      if (lane === undefined) return
      lane.head.attempts += 1
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
      const { attempts, committedAt, entry } = lane.head
      buriedCount += 1
      buried.push({
        entry,
        attempts,
        committedAt: DateTime.makeUnsafe(committedAt),
        buriedAt: DateTime.makeUnsafe(time),
        ...why
      })
      // Cut in halves, so that keeping the bound costs nothing worth counting per letter.
      if (buried.length > 2 * deadLetterCapacity) buried = buried.slice(-deadLetterCapacity)
      remove(lane)
    },
    deadLetters: () => buried.slice(-deadLetterCapacity),
    status: () => ({
      pending: pendingIds.size,
      inFlight: claims.size,
      lanes: lanes.size,
      deadLetters: buriedCount,
      delivered,
      oldestPending: Option.map(Option.fromUndefinedOr(oldest), (node) =>
        DateTime.makeUnsafe(node.committedAt)
      ),
      latestDelivered: Option.fromUndefinedOr(latestDelivered)
    })
  }
}
