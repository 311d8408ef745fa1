/**
 * The lanes of the SQLite driver in memory: which events are pending, in which order, and which of them may be claimed.
 * It holds numbers only, no events, and answers without looking at the store. Pure bookkeeping: it does no input or
 * output and reads no clock.
 */
import * as DueHeap from "./DueHeap.ts"

/** A pending event. Times are milliseconds since 1970. */
export interface Item {
  readonly seq: number
  readonly committedAt: number
  /** The size of its body. */
  readonly bytes: number
  readonly lane: Lane
  dueAt: number
  attempts: number
  next: Item | undefined
  isGone: boolean
}

interface Lane {
  readonly name: string
  head: Item
  tail: Item
}

/** What a pending event is made of. */
export interface NewItem {
  readonly seq: number
  readonly lane: string
  readonly committedAt: number
  readonly dueAt: number
  readonly attempts: number
  readonly bytes: number
}

/** All lanes. An item that was taken is the head of its lane until it is put back, put off or removed. */
export interface Lanes {
  /** Appends to its lane. Calls have to come in ascending `seq`. */
  readonly add: (item: NewItem) => void
  /**
   * Takes the head with the earliest `dueAt` (then `seq`) among those whose lane has none taken, if it is due. What was
   * never tried is due in any case: a clock that was set back must not hold it up.
   */
  readonly take: (now: number) => Item | undefined
  /** When the next head will be due; undefined without any. */
  readonly nextDueAt: () => number | undefined
  /** As if it had not been taken. */
  readonly putBack: (item: Item) => void
  /** Puts it back with one more attempt, due then. */
  readonly putOff: (item: Item, dueAt: number) => void
  /** It is pending no more; its lane goes on. */
  readonly remove: (item: Item) => void
  readonly pending: () => number
  readonly bytes: () => number
  readonly lanes: () => number
  /** When the pending event with the lowest `seq` was committed. */
  readonly oldest: () => number | undefined
}

/** No lanes. */
export const make = (): Lanes => {
  const byName = new Map<string, Lane>()
  const free = DueHeap.make<Item>((a, b) => a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.seq < b.seq))
  // All items in ascending `seq`; those that are gone are skipped when they come to the front.
  let inOrder: Array<Item> = []
  let front = 0
  let pending = 0
  let bytes = 0

  const add = (given: NewItem): void => {
    const known = byName.get(given.lane)
    // SAFETY: a lane needs its head and an item its lane; the first of the two is completed in the next statements.
    const lane = known ?? ({ name: given.lane } as Lane)
    const item: Item = {
      seq: given.seq,
      committedAt: given.committedAt,
      bytes: given.bytes,
      lane,
      dueAt: given.dueAt,
      attempts: given.attempts,
      next: undefined,
      isGone: false
    }
    if (known === undefined) {
      lane.head = item
      byName.set(given.lane, lane)
      free.push(item)
    } else {
      lane.tail.next = item
    }
    lane.tail = item
    inOrder.push(item)
    pending += 1
    bytes += item.bytes
  }

  const take = (now: number): Item | undefined => {
    const first = free.peek()
    return first !== undefined && (first.dueAt <= now || first.attempts === 0) ? free.pop() : undefined
  }

  const putOff = (item: Item, dueAt: number): void => {
    item.dueAt = dueAt
    item.attempts += 1
    free.push(item)
  }

  const remove = (item: Item): void => {
    item.isGone = true
    pending -= 1
    bytes -= item.bytes
    if (item.next === undefined) {
      byName.delete(item.lane.name)
    } else {
      item.lane.head = item.next
      free.push(item.next)
      item.next = undefined
    }
    while (inOrder[front]?.isGone === true) front += 1
    if (front > 1024 && front * 2 > inOrder.length) {
      inOrder = inOrder.slice(front)
      front = 0
    }
  }

  return {
    add,
    take,
    nextDueAt: () => free.peek()?.dueAt,
    putBack: (item) => free.push(item),
    putOff,
    remove,
    pending: () => pending,
    bytes: () => bytes,
    lanes: () => byName.size,
    oldest: () => inOrder[front]?.committedAt
  }
}
