/**
 * What is told within a run beside its statuses: messages, metrics and outcomes of tests, of the run itself or of one
 * attempt of a task. Each is told once; those that one snapshot brings of one run or attempt, in order of time. Pure.
 */
import * as DateTime from "effect/DateTime"
import type { Metadata } from "@observability-agents/toolkit/Event"
import type { Entry } from "./Outbox.ts"
import * as RunEvents from "./RunEvents.ts"
import type { Message, Metric, Tests } from "./RunSnapshot.ts"
import * as RunTimes from "./RunTimes.ts"
import { factId } from "./TrackedRun.ts"

/** What a snapshot brings of a run, or of an attempt. */
export interface Facts {
  readonly messages: ReadonlyArray<Message>
  readonly metrics?: ReadonlyArray<Metric> | undefined
  readonly tests?: ReadonlyArray<Tests> | undefined
}

/** What the facts belong to. */
export interface Owner {
  readonly subject: RunEvents.Subject
  /** Absent: the run itself. */
  readonly task?: RunEvents.TaskSubject | undefined
  /** The facts that were told already, as `TrackedRun` remembers them. */
  readonly told: ReadonlySet<string>
  /** The time of a fact that tells none. */
  readonly otherwise: DateTime.Utc
  /** It is tried again: its errors are no more than warnings. */
  readonly isTriedAgain?: boolean | undefined
  readonly metadata?: Metadata | undefined
}

/** The facts that are new. */
export interface Told {
  /** As `TrackedRun` remembers them. */
  readonly ids: ReadonlyArray<string>
  readonly entries: ReadonlyArray<Entry>
}

interface Fact {
  readonly id: string
  readonly timestamp: DateTime.Utc
  readonly entries: (particulars: RunEvents.Particulars) => ReadonlyArray<Entry>
}

/** Tells what was not told yet. */
export const tell = (facts: Facts, owner: Owner): Told => {
  const { subject, task } = owner
  const news = new Map<string, Fact>()
  const add = (
    kind: Parameters<typeof factId>[0],
    fact: { readonly key: string; readonly timestamp?: DateTime.Utc | undefined },
    entries: Fact["entries"]
  ): void => {
    const id = factId(kind, { key: fact.key, task })
    if (owner.told.has(id) || news.has(id)) return
    news.set(id, { id, timestamp: RunTimes.given(fact.timestamp) ?? owner.otherwise, entries })
  }
  for (const message of facts.messages) {
    const isMilder = owner.isTriedAgain === true && message.level === "ERROR"
    const told: Message = isMilder ? { ...message, level: "WARNING" } : message
    add("msg", message, (particulars) => [RunEvents.message(subject, task, told, particulars)])
  }
  for (const metric of facts.metrics ?? []) {
    add("metric", metric, (particulars) => [RunEvents.metric(subject, task, metric, particulars)])
  }
  for (const tests of facts.tests ?? []) {
    // The server takes no list without outcomes; what is still empty may be filled by a later snapshot.
    if (tests.outcomes.length === 0) continue
    add("tests", tests, (particulars) => RunEvents.tests(subject, task, tests, particulars))
  }
  const sorted = Array.from(news.values()).sort((a, b) => DateTime.Order(a.timestamp, b.timestamp))
  return {
    ids: sorted.map(({ id }) => id),
    entries: sorted.flatMap(({ entries, timestamp }) => entries({ timestamp, metadata: owner.metadata }))
  }
}
