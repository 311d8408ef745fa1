/**
 * A day of a large workspace: about 2,000 runs active at any time and 5,000 that end in each hour, one in a hundred with a
 * failed task. Prints what each sweep cost against its bound, and checks that each run and task was told once, to its end.
 * Virtual time; requests go through the Handle as text of JSON, events through the RunTracker.
 *
 *     node --max-semi-space-size=2 --max-old-space-size=80 --conditions=@observability-agents/source \
 *       bench/BigDay.ts [period in seconds, 60] [hours, 24]
 *
 * The flags show that it needs no more memory than that: left to itself, V8 lets garbage lie for longer where there is room.
 */
import { Databricks, make } from "@observability-agents/agent-databricks/Databricks"
import * as Sweep from "@observability-agents/agent-databricks/Sweep"
import * as Health from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import * as RunTracker from "@observability-agents/core/RunTracker"
import * as Window from "@observability-agents/core/Window"
import type * as Event from "@observability-agents/toolkit/Event"
import { DateTime, Duration, Effect, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"

const PERIOD = Number(process.argv[2] ?? "60") * 1000
const HOURS = Number(process.argv[3] ?? "24")
const PER_HOUR = 5000
const ACTIVE = 2000
const LOOK_BACK = 300_000
const PAGE = 25
const BEGIN = Date.parse("2026-03-01T00:00:00Z")
const END = BEGIN + HOURS * 3_600_000

// ---- the workspace

/** Numbers that look like chance, the same every time (Park and Miller). */
let state = 20_260_301
const chance = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647

/** Four in five take a minute to six, the others up to hours, so that about 2,000 are active. */
const mean = (ACTIVE / PER_HOUR) * 3_600_000
const takes = () => {
  const short = 60_000 + chance() * 300_000
  return Math.round(chance() < 0.8 ? short : (chance() * 2 * (mean - 0.8 * 210_000)) / 0.2)
}

/** Runs are numbers here, and what is known of them stands in columns: the bench itself is to need little memory. */
const starts: Array<number> = []
// It begins so long before that the workspace is in its steady state.
for (let at = BEGIN - 4 * 3_600_000; at < END; at += (3_600_000 / PER_HOUR) * 2 * chance()) {
  starts.push(Math.round(at))
}
const RUNS = starts.length
const start = Float64Array.from(starts)
const end = start.map((at) => at + takes())
const failing = Uint8Array.from(starts, () => (chance() < 0.01 ? 1 : 0))
const order = Uint32Array.from(starts.keys()).sort((a, b) => (end[a] ?? 0) - (end[b] ?? 0))
starts.length = 0
const startOf = (run: number) => start[run] ?? Number.POSITIVE_INFINITY
const endOf = (run: number) => end[run] ?? Number.POSITIVE_INFINITY
const fails = (run: number) => failing[run] === 1
const ID = 1_000_000_000

let now = BEGIN
let begun = 0
let ended = 0
const active = new Set<number>()
const advance = (to: number) => {
  now = to
  for (; begun < RUNS && startOf(begun) <= now; begun++) active.add(begun)
  for (; ended < RUNS && endOf(order[ended] ?? RUNS) <= now; ended++) active.delete(order[ended] ?? RUNS)
}

const record = (run: number) => {
  const isOver = endOf(run) <= now
  const status = isOver
    ? {
        state: "TERMINATED",
        termination_details: fails(run)
          ? {
              code: "RUN_EXECUTION_ERROR",
              type: "CLIENT_ERROR",
              message: "Workload failed, see run output for details"
            }
          : { code: "SUCCESS", type: "SUCCESS", message: "" }
      }
    : { state: "RUNNING" }
  const shared = {
    start_time: startOf(run),
    end_time: isOver ? endOf(run) : 0,
    setup_duration: 0,
    execution_duration: isOver ? endOf(run) - startOf(run) : 0,
    cleanup_duration: 0,
    status
  }
  return {
    job_id: 1000 + (run % 500),
    run_id: ID + run,
    run_name: `job ${run % 500}`,
    run_type: "JOB_RUN",
    trigger: "PERIODIC",
    run_page_url: `https://fake/?o=1#job/${1000 + (run % 500)}/run/${ID + run}`,
    ...shared,
    tasks: [
      {
        ...shared,
        task_key: "main",
        run_id: 2 * ID + run,
        attempt_number: 0,
        notebook_task: { notebook_path: "/a" }
      }
    ]
  }
}

/** The lists that are being read, by the beginning of their tokens. */
const lists = new Map<string, ReadonlyArray<number>>()
const begin = (query: URLSearchParams): ReadonlyArray<number> => {
  if (query.get("active_only") === "true") return Array.from(active).reverse()
  const from = Number(query.get("start_time_from") ?? "0")
  const found: Array<number> = []
  for (let at = ended - 1; at >= 0; at--) {
    const run = order[at] ?? RUNS
    if (endOf(run) < from) break
    if (startOf(run) >= from) found.push(run)
    // No reader goes further back than this without a filter.
    if (from === 0 && found.length >= 20_000) break
  }
  return found
}

const counts = { list: 0, get: 0, output: 0 }
const client = HttpClient.make((request, url) =>
  Effect.sync(() => {
    const answer = (body: unknown) => HttpClientResponse.fromWeb(request, new Response(JSON.stringify(body)))
    if (url.pathname.endsWith("/get-output")) {
      counts.output += 1
      return answer({ error: "ValueError: no rows", error_trace: "Traceback (most recent call last): …" })
    }
    if (url.pathname.endsWith("/get")) {
      counts.get += 1
      return answer(record(Number(url.searchParams.get("run_id")) - ID))
    }
    counts.list += 1
    const token = url.searchParams.get("page_token")
    const [name = String(counts.list), skip = "0"] = token?.split("-") ?? []
    const all = lists.get(name) ?? begin(url.searchParams)
    const next = Number(skip) + PAGE
    if (next < all.length) lists.set(name, all)
    else lists.delete(name)
    for (const oldest of lists.keys()) {
      if (lists.size <= 2) break
      lists.delete(oldest)
    }
    return answer({
      runs: all.slice(Number(skip), next).map(record),
      ...(next < all.length ? { next_page_token: `${name}-${next}` } : {})
    })
  })
)

// ---- what was told

const WHAT: ReadonlyArray<string> = ["RUNNING", "COMPLETED", "FAILED"]
const told = new Uint16Array(RUNS)
let repeated = 0
let messages = 0
const count = (event: Event.Event) => {
  if (event._tag === "MessageLog") messages += 1
  if (event._tag !== "RunStatus") return
  const index = Number("runKey" in event ? event.runKey : 0) - ID
  const bit = 1 << (WHAT.indexOf(event.status) + (event.taskKey === undefined ? 0 : 4))
  const known = told[index] ?? 0
  if ((known & bit) !== 0) repeated += 1
  told[index] = known | bit
}

/** Keeps runs and cursor only, and counts the events instead of sending them: what comes twice is not kept out here. */
const layerCounting = Layer.effect(
  Outbox,
  Effect.map(Outbox, (outbox) =>
    Outbox.of({
      ...outbox,
      commit: (commit) => {
        for (const { event } of commit.entries) count(event)
        return outbox.commit({ ...commit, entries: [], notes: [] })
      }
    })
  )
).pipe(Layer.provide(OutboxMemory.layer()), Layer.provideMerge(Health.Health.layer))

// ---- the day

const program = Effect.gen(function* () {
  yield* TestClock.setTime(BEGIN)
  const source = "big"
  const send = (poll: RunTracker.Poll) =>
    Effect.asVoid(
      Effect.orDie(RunTracker.apply(poll, { retention: { closed: "65 minutes", failed: "7 days" } }))
    )
  const services = yield* Effect.context<Outbox | Health.Health>()
  const task = yield* Sweep.make({
    source,
    jobs: [],
    lookBack: Duration.millis(LOOK_BACK),
    period: Duration.millis(PERIOD),
    failedWatchPeriod: Duration.minutes(10),
    failedWatchMaxTime: Duration.days(7),
    sender: {
      send: (poll) => Effect.provide(send(poll), services),
      sendAll: () => Effect.void,
      close: Effect.void
    }
  })
  let from = BEGIN
  let sweeps = 0
  let worst = Number.NEGATIVE_INFINITY
  let most = 0
  let sum = 0
  let bounds = 0
  let mostActive = 0
  let peak = 0
  const started = process.hrtime.bigint()
  for (let time = BEGIN; time <= END; time += PERIOD) {
    yield* TestClock.setTime(time)
    advance(time)
    const before = { ...counts }
    yield* task(Window.make(DateTime.makeUnsafe(from), DateTime.makeUnsafe(time)))
    const cost = {
      list: counts.list - before.list,
      get: counts.get - before.get,
      output: counts.output - before.output
    }
    let finished = 0
    for (let at = ended - 1; at >= 0 && endOf(order[at] ?? RUNS) >= from - LOOK_BACK; at--) finished += 1
    const bound = Math.ceil(active.size / PAGE) + Math.ceil(finished / PAGE) + 2
    const total = cost.list + cost.get
    // Each runs/get-output is allowed by the bound; that there is one for each failure is checked at the end.
    worst = Math.max(worst, total - bound)
    most = Math.max(most, total + cost.output)
    sum += total + cost.output
    bounds += bound + cost.output
    mostActive = Math.max(mostActive, active.size)
    sweeps += 1
    from = time
    if (sweeps % 10 === 0) peak = Math.max(peak, process.memoryUsage().rss)
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9

  let missing = 0
  let failures = 0
  for (let run = 0; run < RUNS; run++) {
    // What had ended before the beginning is not told.
    if (startOf(run) > now || endOf(run) < BEGIN) continue
    const last = endOf(run) > now ? 0 : 1 << (fails(run) ? 2 : 1)
    const expected = 1 | last
    if (told[run] !== (expected | (expected << 4))) missing += 1
    if (last !== 0 && fails(run)) failures += 1
  }
  console.log(
    `${HOURS} hours, a sweep every ${PERIOD / 1000} s, ${sweeps} sweeps, up to ${mostActive} active runs, ${ended} ended`
  )
  console.log(
    `requests per sweep: mean ${(sum / sweeps).toFixed(1)}, most ${most}; the bound: mean ${(bounds / sweeps).toFixed(1)}`
  )
  console.log(`most beyond the bound: ${worst} (at most 0 is within it)`)
  console.log(
    `runs/list ${counts.list}, runs/get ${counts.get}, runs/get-output ${counts.output} for ${failures} failed attempts`
  )
  console.log(
    `runs told wrongly or not at all: ${missing}; events told twice: ${repeated}; messages: ${messages}`
  )
  console.log(
    `peak of memory (RSS): ${Math.round(peak / 1e6)} MB; ${seconds.toFixed(0)} s, ${((1000 * seconds) / sweeps).toFixed(0)} ms per sweep`
  )
  if (worst > 0 || missing > 0 || repeated > 0 || counts.output !== failures) process.exitCode = 1
}).pipe(
  Effect.provide(layerCounting),
  Effect.provideService(Databricks, make({ client, host: "https://fake", version: "2.2" })),
  Effect.provide(TestClock.layer()),
  Effect.scoped
)

await Effect.runPromise(program)
