/**
 * The crash test: the program as a process of its own, on a state file, killed with SIGKILL again and again during one
 * scripted history, between a fake workspace and a fake server that live on; then left to finish. It tells what reached
 * the server; what to make of it is said by {@link problems}.
 *
 * The moments of the kills are drawn from a seed. Some are anywhere; the others are aimed: at a poll, at the write to the
 * state file that follows it (its commit), at a post, at the write that follows that (its acknowledgement), and at an
 * answer that the server holds back after its work.
 */
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import type * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import * as EventLog from "@observability-agents/testing/EventLog"
import type { Accepted, Received } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as Event from "@observability-agents/toolkit/Event"
import { Clock, Duration, Effect, Random, Redacted } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Agent from "./AgentProcess.ts"

export interface Options {
  readonly kills: number
  /** How many runs the history has. Each gives four to eleven events. */
  readonly runs: number
  readonly seed: string
  readonly onKill?: ((line: string) => Effect.Effect<void>) | undefined
}

/** What came of it. */
export interface Report {
  readonly seed: string
  readonly kills: number
  /** How many kills there were of each kind. */
  readonly moments: Readonly<Record<string, number>>
  /** How many events the history consists of. */
  readonly events: number
  readonly lost: ReadonlyArray<string>
  readonly unexpected: ReadonlyArray<string>
  readonly duplicates: number
  /** The most duplicates that requests in flight at the kills can account for. */
  readonly inFlight: number
  /** The most duplicates that stem from one kill. */
  readonly worst: number
  /** What is wrong with the order, save that an event may be followed by itself. */
  readonly disorder: ReadonlyArray<string>
  /** What is left in the state file. */
  readonly left: { readonly pending: number; readonly deadLetters: number }
  /** Of the last process, which was told to stop. */
  readonly exitCode: number | string
  readonly seconds: number
}

/** How many events are under way at once. */
const CONCURRENCY = 2

export const run = Effect.fnUntraced(
  function* (options: Options) {
    const began = yield* Clock.currentTimeMillis
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "crash-"))),
      (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
    )
    const statePath = Path.join(directory, "state.db")
    const signals = makeSignals()
    const server = yield* NodeFakeObservability.make()
    // A fault that never strikes, but sees every request as it arrives.
    yield* server.fail(ServerFault.drop, {
      where: (request) => {
        if (isEvent(request)) signals.tell("post")
        return false
      }
    })
    const workspace = yield* FakeDatabricks.make()
    const host = yield* NodeFakeDatabricks.serve({
      ...workspace,
      app: Effect.tap(workspace.app, () => Effect.sync(() => signals.tell("poll")))
    })
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        Fs.watch(directory, (_change, name) => {
          if (name === "state.db-wal") signals.tell("write")
        })
      ),
      (watcher) => Effect.sync(() => watcher.close())
    )
    const start = Agent.start({
      cwd: directory,
      env: {
        DK_AGENT_TYPE: "databricks",
        DK_AGENT_KEY: "crash-test",
        DK_OBSERVABILITY_BASE_URL: server.baseUrl,
        DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
        DK_AGENT_TOKEN: "dapi-fake",
        DK_DATABRICKS_HOST: host,
        DK_DATABRICKS_PERIOD: "0.2",
        // So short that what happened while no agent ran is found by the cursor and by the tracked runs.
        DK_DATABRICKS_LOOK_BACK: "1",
        DK_STATE_PATH: statePath,
        // The first process may be killed before it has committed where it began.
        DK_START_FROM: "1 hour",
        DK_SEND_CONCURRENCY: String(CONCURRENCY),
        DK_SEND_CONCURRENCY_MAXIMUM: String(CONCURRENCY)
      }
    })

    const history = makeHistory(workspace)
    const moments: Record<string, number> = {}
    /** How many events had been accepted when each process was gone. */
    const gone: Array<number> = []
    for (let kill = 0; kill < options.kills; kill++) {
      while (history.size() < ((kill + 1) / options.kills) * options.runs) yield* history.add
      const moment = yield* draw(kill, server, signals)
      moments[moment.name] = (moments[moment.name] ?? 0) + 1
      yield* Effect.scoped(
        Effect.gen(function* () {
          const agent = yield* start
          yield* Effect.raceFirst(
            Effect.flatMap(agent.exited, ({ code, stderr }) =>
              Effect.die(new Error(`Before kill ${kill} the agent ended by itself, with ${code}:\n${stderr}`))
            ),
            Effect.timeoutOrElse(Effect.andThen(signals.await("poll", 1), moment.comes), {
              duration: "30 seconds",
              orElse: () => Effect.die(new Error(`The agent does not poll. It says:\n${agent.said()}`))
            })
          )
          agent.kill("SIGKILL")
          yield* agent.exited
        })
      )
      gone.push((yield* server.accepted).length)
      const told = options.onKill?.(`kill ${kill + 1} (${moment.name}), ${gone.at(-1)} events accepted`)
      if (told !== undefined) yield* told
    }

    const agent = yield* start
    const expected = Expected.identities(history.jobs())
    const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(PATIENCE)
    while (
      Expected.compare(expected, yield* server.events).lost.length > 0 &&
      (yield* Clock.currentTimeMillis) < deadline
    )
      yield* Effect.sleep("200 millis")
    // Time for what should not come.
    yield* Effect.sleep("1 second")
    agent.kill("SIGTERM")
    const { code } = yield* agent.exited

    const accepted = yield* server.accepted
    const { lost, unexpected } = Expected.compare(
      expected,
      accepted.map(({ event }) => event)
    )
    const repeats = repeatsOf(accepted, gone)
    const status = yield* Effect.scoped(
      Effect.flatMap(OutboxSqlite.make({ path: statePath }), ({ status }) => status)
    )
    const report: Report = {
      seed: options.seed,
      kills: options.kills,
      moments,
      events: expected.size,
      lost,
      unexpected,
      duplicates: accepted.length - new Set(accepted.map(({ event }) => Expected.identity(event))).size,
      inFlight: gone.reduce(
        (sum, count, life) => sum + Math.min(CONCURRENCY, count - (gone[life - 1] ?? 0)),
        0
      ),
      worst: Math.max(0, ...repeats.values()),
      disorder: EventLog.problems(withoutRepeats(accepted)),
      left: { pending: status.pending, deadLetters: status.deadLetters },
      exitCode: code,
      seconds: Math.round(((yield* Clock.currentTimeMillis) - began) / 1000)
    }
    return report
  },
  (effect, options) => Effect.scoped(Random.withSeed(effect, options.seed))
)

/** What the crash test promises and does not hold, in words; nothing when all is well. */
export const problems = (report: Report): ReadonlyArray<string> => [
  ...(report.lost.length === 0 ? [] : [`${report.lost.length} events were lost: ${some(report.lost)}`]),
  ...(report.unexpected.length === 0 ? [] : [`events that nobody expected: ${some(report.unexpected)}`]),
  ...(report.disorder.length === 0 ? [] : [`the order is not right: ${some(report.disorder)}`]),
  ...(report.duplicates <= report.inFlight
    ? []
    : [`${report.duplicates} duplicates, although only ${report.inFlight} requests were in flight`]),
  ...(report.worst <= CONCURRENCY ? [] : [`one kill made ${report.worst} duplicates`]),
  ...(report.left.pending + report.left.deadLetters === 0
    ? []
    : [`the state file still holds ${JSON.stringify(report.left)}`]),
  ...(report.exitCode === 0 ? [] : [`told to stop, the last process ended with ${report.exitCode}`])
]

/** The report in one line. */
export const line = (report: Report): string =>
  `${report.kills} kills (${Object.entries(report.moments)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ")}) during ${report.events} events in ${report.seconds} s: ` +
  `${report.lost.length} lost, ${report.disorder.length} out of order, ${report.duplicates} duplicates ` +
  `(at most ${report.worst} by one kill; ${report.inFlight} requests in flight at the kills at most), seed "${report.seed}"`

/** How long the last process may take for what the others have left. */
const PATIENCE = Duration.minutes(1)

const some = (all: ReadonlyArray<string>): string => all.slice(0, 5).join("; ")

const isEvent = (request: Received): boolean => request.path.startsWith("events/")

type Signal = "poll" | "post" | "write"

/** Tells those who wait that a request has arrived. */
const makeSignals = () => {
  const listeners = new Set<(signal: Signal) => void>()
  return {
    tell: (signal: Signal) => {
      for (const listener of Array.from(listeners)) listener(signal)
    },
    /** Waits for so many from now on. */
    await: (signal: Signal, count: number) =>
      Effect.callback<void>((resume) => {
        let left = count
        const listener = (told: Signal) => {
          if (told !== signal || --left > 0) return
          listeners.delete(listener)
          resume(Effect.void)
        }
        listeners.add(listener)
        return Effect.sync(() => listeners.delete(listener))
      })
  }
}

/** Two of them are the same: commits are rarer than acknowledgements. */
const KINDS = 7

/** A moment for the next kill, counted from the process's first poll. */
const draw = Effect.fnUntraced(function* (
  kill: number,
  server: Effect.Success<ReturnType<typeof NodeFakeObservability.make>>,
  signals: ReturnType<typeof makeSignals>
) {
  const count = yield* Random.nextIntBetween(1, 9)
  const any = Effect.sleep(Duration.millis(yield* Random.nextIntBetween(0, 1300)))
  const shortly = Effect.sleep(Duration.millis(yield* Random.nextIntBetween(0, 15)))
  const within = (comes: Effect.Effect<unknown>) => Effect.asVoid(Effect.timeoutOption(comes, "1300 millis"))
  const around = (comes: Effect.Effect<unknown>) => Effect.andThen(within(comes), shortly)
  const writeAfter = (signal: Signal) =>
    within(Effect.andThen(signals.await(signal, count), signals.await("write", 1)))
  // By turns, so that each kind is there also where there are few kills.
  switch (kill % KINDS) {
    case 0:
      return { name: "around a poll", comes: around(signals.await("poll", count)) }
    case 1:
      return { name: "around a post", comes: around(signals.await("post", count)) }
    case 3:
    case 4:
      return { name: "at a commit", comes: writeAfter("poll") }
    case 5:
      return { name: "at an acknowledgement", comes: writeAfter("post") }
    case 2: {
      let left = count
      let isArmed = true
      return {
        name: "accepted, not answered",
        comes: Effect.andThen(
          server.fail(ServerFault.afterWork(ServerFault.silence), {
            times: 1,
            where: (request) => {
              if (isArmed && isEvent(request)) left -= 1
              return isArmed && left === 0 && isEvent(request)
            }
          }),
          around(signals.await("post", count))
        ).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              isArmed = false
            })
          )
        )
      }
    }
    default:
      return { name: "anywhere", comes: any }
  }
})

/** The script: runs of one to three tasks, some of which fail, that begin within two seconds of being added. */
const makeHistory = (workspace: FakeDatabricks.FakeDatabricks["Service"]) => {
  const jobs = Array.from({ length: 10 }, (_, job) => ({
    name: `job ${job}`,
    id: String(1001 + job),
    runs: new Array<Scenario.Run>()
  }))
  let size = 0
  return {
    size: () => size,
    jobs: (): ReadonlyArray<Expected.NamedJob> => jobs,
    add: Effect.gen(function* () {
      const job = jobs[size % jobs.length]
      if (job === undefined) return
      const count = yield* Random.nextIntBetween(1, 4)
      const fails = (yield* Random.next) < 0.2
      const tasks: Array<Scenario.Task> = []
      for (let task = 0; task < count; task++) {
        tasks.push({
          key: `task-${task}`,
          takes: Duration.millis(yield* Random.nextIntBetween(50, 1500)),
          ...(task > 0 && (yield* Random.nextBoolean) ? { after: [`task-${task - 1}`] } : {}),
          ...(fails && task === count - 1 ? { fails: `Error of run ${size}` } : {})
        })
      }
      const run: Scenario.Run = {
        id: String(500_000 + size),
        at: Duration.millis(yield* Random.nextIntBetween(0, 2000)),
        queued: Duration.millis(yield* Random.nextIntBetween(0, 300)),
        tasks
      }
      size += 1
      job.runs.push(run)
      yield* workspace.run(job.name, run)
    })
  }
}

/** By process: how many of the events that the server accepted from it were accepted again, from a later one. */
const repeatsOf = (
  accepted: ReadonlyArray<Accepted>,
  gone: ReadonlyArray<number>
): ReadonlyMap<number, number> => {
  const last = new Map<string, number>()
  const repeats = new Map<number, number>()
  for (const [index, { event }] of accepted.entries()) {
    const identity = Expected.identity(event)
    const before = last.get(identity)
    if (before !== undefined) {
      const life = gone.findIndex((count) => before < count)
      repeats.set(life, (repeats.get(life) ?? 0) + 1)
    }
    last.set(identity, index)
  }
  return repeats
}

/** Without those that follow the same event in their run: the only repetition that a kill may cause. */
const withoutRepeats = (accepted: ReadonlyArray<Accepted>): ReadonlyArray<Event.Event> => {
  const last = new Map<string, string>()
  return accepted
    .filter(({ body, event, path }) => {
      const lane = Event.lane(event)
      const isRepeat = last.get(lane) === path + body
      last.set(lane, path + body)
      return !isRepeat
    })
    .map(({ event }) => event)
}
