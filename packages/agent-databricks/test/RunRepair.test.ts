import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import * as RunTracker from "@observability-agents/core/RunTracker"
import type * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as Run from "@observability-agents/agent-databricks/Run"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const at = (seconds: number) => DateTime.toEpochMillis(noon) + seconds * 1000
const snapshot = (input: object, observed = 0) => {
  const run = Result.getOrThrow(RunRecord.decode({ run_id: 7, job_id: 3, start_time: at(0), ...input }))
  const found = Run.toSnapshot(run, DateTime.makeUnsafe(at(observed)))
  if (found === undefined) throw new Error("no snapshot")
  return found
}
const ended = (code: string) => ({ status: { state: "TERMINATED", termination_details: { code } } })
const running = { status: { state: "RUNNING" } }
const fails = { ...ended("RUN_EXECUTION_ERROR") }
const succeeds = { ...ended("SUCCESS") }

/** What is told, in order: STATUS or LEVEL, of which task, at which second. */
const tell = (snapshots: ReadonlyArray<RunSnapshot.RunSnapshot>) => {
  let known: TrackedRun.TrackedRun | undefined
  return snapshots.flatMap((each) => {
    const step = RunTracker.track(known, each)
    known = step.known
    return step.entries.map(({ event }) => {
      const what =
        event._tag === "RunStatus" ? event.status : event._tag === "MessageLog" ? event.level : event._tag
      const second = (DateTime.toEpochMillis(event.timestamp ?? noon) - at(0)) / 1000
      return `${event.taskKey === undefined ? "" : `${event.taskKey} `}${what} ${second}`
    })
  })
}

const attempt = (number: number, extra: object) => ({
  task_key: "load",
  run_id: 70 + number,
  attempt_number: number,
  max_retries: 0,
  ...extra
})
const original = { type: "ORIGINAL", start_time: at(0), end_time: at(60), task_run_ids: [70] }
const repair = { type: "REPAIR", id: 501, start_time: at(600), task_run_ids: [71] }
const first = attempt(0, { ...fails, start_time: at(1), end_time: at(50) })

describe("a repair", () => {
  const before = snapshot({ ...fails, end_time: at(60), repair_history: [original], tasks: [first] }, 70)
  const during = snapshot(
    {
      ...running,
      end_time: 0,
      creator_user_name: "jo@example.com",
      repair_history: [original, repair],
      tasks: [first, attempt(1, { ...running, start_time: at(605) })]
    },
    610
  )
  const after = snapshot(
    {
      ...succeeds,
      end_time: at(700),
      repair_history: [original, repair],
      tasks: [first, attempt(1, { ...succeeds, start_time: at(605), end_time: at(690) })]
    },
    710
  )

  it("re-opens the run at its own start, says so, and ends it anew", () => {
    assert.deepStrictEqual(tell([before, during, after]), [
      "RUNNING 0",
      "load RUNNING 1",
      "load ERROR 50",
      "load FAILED 50",
      "ERROR 60",
      "FAILED 60",
      "RUNNING 600",
      "INFO 600",
      "load RUNNING 605",
      "load COMPLETED 690",
      "COMPLETED 700"
    ])
  })

  it("is told with its number and the run's creator, since Databricks does not tell who started it", () => {
    const [message] = during.messages
    assert.strictEqual(message?.key, "repair-501")
    assert.strictEqual(message?.level, "INFO")
    assert.strictEqual(
      message?.message,
      "Repair 1 of this run began. Databricks does not tell who started it; the run was created by jo@example.com."
    )
    assert.strictEqual(message?.details, "Tasks that it ran again: load")
    assert.notInclude(after.messages[0]?.message ?? "", "created by")
  })

  it("stands in the metadata of the run and of the attempts it made", () => {
    assert.strictEqual(during.reopening, 1)
    assert.deepStrictEqual(during.reopenedAt, DateTime.makeUnsafe(at(600)))
    assert.include(during.metadata, { repair_number: 1, latest_repair_id: "501" })
    assert.notProperty(during.tasks[0]?.metadata, "repair_number")
    assert.include(during.tasks[1]?.metadata, { repair_number: 1, attempt_number: 1 })
    assert.notProperty(before.metadata, "repair_number")
    assert.notProperty(before, "reopenedAt")
  })

  it("is numbered by its start, wherever it stands in the history, and without an id has its number as its key", () => {
    const second = { type: "REPAIR", start_time: at(900) }
    const { messages } = snapshot({ ...running, repair_history: [second, original, repair] })
    assert.deepStrictEqual(
      messages.map(({ key, timestamp }) => [key, timestamp]),
      [
        ["repair-501", DateTime.makeUnsafe(at(600))],
        ["repair-2", DateTime.makeUnsafe(at(900))]
      ]
    )
  })

  it("is not read out of the trigger RETRY, which means another thing", () => {
    const retried = snapshot({ ...running, trigger: "RETRY" })
    assert.notProperty(retried, "reopening")
    assert.deepStrictEqual(retried.messages, [])
  })

  it("has its history asked for when a task ran more often than it is retried and the answer lacks it", () => {
    const wants = (input: object) =>
      Run.wantsHistory(Result.getOrThrow(RunRecord.decode({ run_id: 1, tasks: [first], ...input })))
    assert.isFalse(wants({}))
    assert.isTrue(wants({ tasks: [first, attempt(1, {})] }))
    assert.isTrue(wants({ tasks: [first, attempt(2, { max_retries: 1 })] }))
    assert.isFalse(wants({ tasks: [first, attempt(1, { max_retries: 1 })] }))
    assert.isFalse(wants({ tasks: [attempt(1, {})], repair_history: [original] }))
  })
})

describe("a retry of a task", () => {
  const willRetry = (tasks: ReadonlyArray<object>, run: object = running) =>
    snapshot({ ...run, tasks }).tasks.at(-1)?.willRetry === true

  it("keeps the task running after a failure that it will make good", () => {
    const waiting = snapshot({ ...running, tasks: [{ ...first, max_retries: 1 }] }, 55)
    const retried = snapshot(
      {
        ...succeeds,
        end_time: at(120),
        tasks: [
          { ...first, max_retries: 1 },
          attempt(1, { ...succeeds, max_retries: 1, start_time: at(60), end_time: at(110) })
        ]
      },
      130
    )
    const told = tell([waiting, retried])
    assert.notInclude(told.join(), "FAILED")
    assert.notInclude(told.join(), "ERROR")
    assert.include(told, "load WARNING 50")
    assert.include(told, "load COMPLETED 110")
  })

  it("is expected until max_retries attempts have followed the first, and for ever with -1", () => {
    assert.isFalse(willRetry([first]))
    assert.isTrue(willRetry([{ ...first, max_retries: 1 }]))
    const second = attempt(1, { ...fails, max_retries: 1 })
    assert.isFalse(willRetry([{ ...first, max_retries: 1 }, second]))
    assert.isTrue(
      willRetry([
        { ...first, max_retries: -1 },
        { ...second, max_retries: -1 }
      ])
    )
    assert.isFalse(willRetry([attempt(0, { ...succeeds, max_retries: 3 })]))
  })

  it("is not expected when somebody cancelled the task", () => {
    const cancelled = attempt(0, { ...ended("USER_CANCELED"), start_time: at(1), max_retries: 3 })
    assert.isFalse(willRetry([cancelled]))
  })

  it("is expected after a time-out only where the task says so", () => {
    const timedOut = attempt(0, {
      state: { life_cycle_state: "TERMINATED", result_state: "TIMEDOUT" },
      start_time: at(1),
      max_retries: 3
    })
    assert.isFalse(willRetry([timedOut]))
    assert.isTrue(willRetry([{ ...timedOut, retry_on_timeout: true }]))
  })

  it("is not expected when the run has ended or is being ended", () => {
    const task = { ...first, max_retries: 3 }
    assert.isFalse(willRetry([task], fails))
    assert.isFalse(willRetry([task], { status: { state: "TERMINATING" } }))
  })

  it("is counted anew in each repair", () => {
    const old = [{ ...first, max_retries: 1 }, attempt(1, { ...fails, start_time: at(52), max_retries: 1 })]
    const again = attempt(2, { ...fails, start_time: at(605), max_retries: 1 })
    const history = { ...running, repair_history: [original, { ...repair, task_run_ids: [72] }] }
    assert.isTrue(willRetry([...old, again], history))
    assert.isFalse(
      willRetry([...old, again, attempt(3, { ...fails, start_time: at(620), max_retries: 1 })], history)
    )
    assert.isFalse(willRetry([...old, again]))
  })
})

describe("a retry of a run", () => {
  it("is a run of its own that names the one it follows", () => {
    const found = snapshot({ ...running, original_attempt_run_id: 6, attempt_number: 1, trigger: "RETRY" })
    assert.deepStrictEqual(
      found.messages.map(({ level, message }) => [level, message]),
      [["INFO", "This run is attempt 2 of run 6."]]
    )
    assert.include(found.metadata, { original_attempt_run_id: "6", attempt_number: 1 })
  })

  it("is none when a run names itself", () => {
    const found = snapshot({ ...running, original_attempt_run_id: 7, attempt_number: 0 })
    assert.deepStrictEqual(found.messages, [])
    assert.notProperty(found.metadata, "original_attempt_run_id")
  })
})
