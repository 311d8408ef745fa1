import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { Entry } from "../src/Outbox.ts"
import type { Phase, TaskSnapshot } from "../src/RunSnapshot.ts"
import * as RunTracker from "../src/RunTracker.ts"
import { TrackedRun } from "../src/TrackedRun.ts"
import { at, breach, fold, message, snapshot, task, told } from "./support/runs.ts"

const json = Schema.fromJsonString(TrackedRun)

const attempt = (number: number, phase: Phase, fields: Partial<TaskSnapshot> = {}) => {
  const hasEnded = phase !== "Running" && phase !== "Pending"
  return task("t", phase, {
    attempt: number,
    startedAt: phase === "Pending" ? undefined : at(10 * number + 1),
    endedAt: hasEnded ? at(10 * number + 5) : undefined,
    ...fields
  })
}
const during = (observed: number, ...tasks: ReadonlyArray<TaskSnapshot>) =>
  snapshot(observed, "Running", { startedAt: at(0), tasks })
const why = { messages: [message("why")] }
const willRetry = { ...why, willRetry: true }

/** Identity and level of each message, status of the rest. */
const levels = (entries: ReadonlyArray<Entry>) =>
  entries.map(({ event, id }) => (event._tag === "MessageLog" ? `${id} ${event.level}` : id))

const numbers = (entries: ReadonlyArray<Entry>) =>
  entries.map(({ event, id }) => `${id} ${event.metadata?.["attempt"] ?? "-"}`)

describe("RunTracker: a task that is tried again", () => {
  it("stays RUNNING while the next attempt is not there yet; its error is a warning", () => {
    const { entries } = fold([
      during(2, attempt(0, "Running")),
      during(6, attempt(0, "Failed", willRetry)),
      during(7, attempt(0, "Failed", willRetry)),
      during(12, attempt(0, "Failed", willRetry), attempt(1, "Running")),
      during(16, attempt(0, "Failed", why), attempt(1, "Completed"))
    ])
    assert.deepStrictEqual(levels(entries), [
      "p/r#0:RUNNING",
      "p/r#0/t@0:RUNNING",
      "p/r/t@0/msg:why WARNING",
      "p/r#0/t@1:COMPLETED"
    ])
  })

  it("is told likewise when it is seen only later", () => {
    for (const next of [attempt(1, "Pending"), attempt(1, "Running")]) {
      const { entries } = fold([during(12, attempt(0, "Failed", why), next)])
      assert.include(levels(entries), "p/r/t@0/msg:why WARNING")
      assert.lengthOf(entries, 3)
    }
  })

  it("keeps its other levels; the last attempt's error is an error", () => {
    const words = {
      messages: [message("e"), { ...message("w"), level: "WARNING" }, { ...message("i"), level: "INFO" }]
    } as const
    const { entries } = fold([during(20, attempt(0, "Failed", words), attempt(1, "Failed", words))])
    assert.deepStrictEqual(levels(entries).slice(2), [
      "p/r/t@0/msg:e WARNING",
      "p/r/t@0/msg:w WARNING",
      "p/r/t@0/msg:i INFO",
      "p/r/t@1/msg:e ERROR",
      "p/r/t@1/msg:w WARNING",
      "p/r/t@1/msg:i INFO",
      "p/r#0/t@1:FAILED"
    ])
  })

  it("has a message that an attempt ended only where the attempt says nothing of it", () => {
    const end = (phase: Phase, fields: Partial<TaskSnapshot>) =>
      levels(fold([during(12, attempt(0, phase, fields), attempt(1, "Running"))]).entries).slice(2)
    const info = { messages: [{ ...message("i"), level: "INFO" }] } as const
    assert.deepStrictEqual(end("Failed", {}), ["p/r/t@0/msg:~end WARNING"])
    assert.deepStrictEqual(end("Failed", info), ["p/r/t@0/msg:i INFO", "p/r/t@0/msg:~end WARNING"])
    assert.deepStrictEqual(end("Failed", why), ["p/r/t@0/msg:why WARNING"])
    assert.deepStrictEqual(end("Completed", {}), ["p/r/t@0/msg:~end INFO"])
    assert.deepStrictEqual(end("Completed", info), ["p/r/t@0/msg:i INFO"])
    const [last] = fold([during(6, attempt(0, "Failed", { willRetry: true }))]).entries.slice(-1)
    assert.strictEqual(
      last?.event._tag === "MessageLog" ? last.event.message : undefined,
      "Attempt 0 failed; the task is tried again."
    )
  })

  it("is FAILED once the tool says that it will not be tried again after all", () => {
    const { entries } = fold([
      during(6, attempt(0, "Failed", willRetry)),
      during(20, attempt(0, "Failed", why)),
      during(25, attempt(0, "Failed", why))
    ])
    assert.deepStrictEqual(told(entries).slice(1), [
      "p/r#0/t@0:RUNNING 1",
      "p/r/t@0/msg:why 5",
      "p/r#0/t@0:FAILED 5"
    ])
  })

  it("is FAILED when the run ends, whatever was to come, with its error as an error", () => {
    const ended = snapshot(40, "Failed", {
      startedAt: at(0),
      endedAt: at(30),
      tasks: [attempt(0, "Failed", willRetry)]
    })
    assert.deepStrictEqual(levels(fold([ended]).entries), [
      "p/r#0:RUNNING",
      "p/r#0/t@0:RUNNING",
      "p/r/t@0/msg:why ERROR",
      "p/r#0/t@0:FAILED",
      "p/r#0:FAILED"
    ])
    const seen = fold([during(6, attempt(0, "Failed", willRetry)), ended])
    assert.deepStrictEqual(levels(seen.entries).slice(2), [
      "p/r/t@0/msg:why WARNING",
      "p/r#0/t@0:FAILED",
      "p/r#0:FAILED"
    ])
  })

  it("runs again where its FAILED was told before the next attempt came", () => {
    const { entries } = fold([
      during(6, attempt(0, "Failed", why)),
      during(12, attempt(0, "Failed", why), attempt(1, "Running"))
    ])
    assert.deepStrictEqual(told(entries).slice(-2), ["p/r#0/t@0:FAILED 5", "p/r#0/t@1:RUNNING 11"])
  })

  it("is not what a task is that completed, runs, or is followed by a skipped attempt", () => {
    assert.strictEqual(
      told(fold([during(6, attempt(0, "Completed", { willRetry: true }))]).entries).at(-1),
      "p/r#0/t@0:COMPLETED 5"
    )
    assert.deepStrictEqual(
      levels(fold([during(6, attempt(0, "Running", willRetry))]).entries).at(-1),
      "p/r/t@0/msg:why ERROR"
    )
    assert.strictEqual(
      told(fold([during(6, attempt(0, "Failed", willRetry), attempt(1, "Skipped"))]).entries).at(-1),
      "p/r#0/t@0:FAILED 5"
    )
  })

  it("tells the number of each attempt, also of the first", () => {
    const { entries } = fold([
      during(2, attempt(0, "Running", { messages: [message("early")] })),
      during(6, attempt(0, "Failed", willRetry)),
      during(16, attempt(0, "Failed", willRetry), attempt(1, "Failed", willRetry)),
      during(26, attempt(1, "Failed", why), attempt(2, "Completed"))
    ])
    assert.deepStrictEqual(numbers(entries), [
      "p/r#0:RUNNING -",
      "p/r#0/t@0:RUNNING -",
      "p/r/t@0/msg:early -",
      "p/r/t@0/msg:why 0",
      "p/r/t@1/msg:why 1",
      "p/r#0/t@2:COMPLETED 2"
    ])
    const once = fold([during(6, attempt(0, "Failed", why))])
    assert.isTrue(numbers(once.entries).every((one) => one.endsWith(" -")))
    const first = fold([during(6, attempt(0, "Failed", willRetry))])
    assert.deepStrictEqual(numbers(first.entries).slice(1), ["p/r#0/t@0:RUNNING 0", "p/r/t@0/msg:why 0"])
  })

  it("tells what went wrong with an attempt that was lost with its run, found again and followed", () => {
    const { entries, known } = fold([during(2, attempt(0, "Running"))])
    assert.isDefined(known)
    const lost = RunTracker.lose(known, at(3))
    const later = fold(
      [
        during(4, attempt(0, "Running")),
        during(12, attempt(0, "Failed", why), attempt(1, "Running")),
        during(13, attempt(0, "Failed", why), attempt(1, "Running"))
      ],
      Schema.decodeSync(json)(Schema.encodeSync(json)(lost.known))
    )
    assert.isUndefined(breach([...entries, ...lost.entries, ...later.entries]))
    assert.deepStrictEqual(levels(later.entries), [
      "p/r#1:RUNNING",
      "p/r#1/t@0.1:RUNNING",
      "p/r/t@0/msg:why WARNING"
    ])
  })
})
