/**
 * The tool for tests: runs that begin and end by the Clock, news of them for all who listen, and ways to fail. It knows
 * nothing of sockets: `FakeWebSocket.ts` leads to it within the process, so that TestClock is in charge, and
 * `NodeFakeMyTool.ts` on a port.
 *
 * YOUR TOOL: let it talk as the tool's documentation says, mistakes included. The better it lies, the better your tests.
 */
import { Clock, Context, DateTime, Duration, Effect, Layer, Queue, Schema } from "effect"
import * as Run from "../../src/Run.ts"

/** A run that begins now, or after a while, and ends by itself. */
export interface Plan {
  readonly id: string
  readonly job: string
  /** Default: at once. */
  readonly after?: Duration.Input
  /** Default: a minute. */
  readonly takes?: Duration.Input
  /** With this error. Without it, it succeeds, and has written 1200 rows. */
  readonly fails?: string
}

/** What the tool does instead of talking as it should. `closes the connection`: those that are there, and each new one. */
export type Fault =
  | "is down"
  | "says nothing"
  | "closes the connection"
  | "talks nonsense"
  | "knows us no more"

/** The other end of a connection. */
export interface Listener {
  readonly say: (text: string) => void
  readonly close: (code: number) => void
}

/** Time between two pings, in milliseconds. */
const PING = 10_000

/** The fake as a service, for `Simulation`. */
export class FakeMyTool extends Context.Service<FakeMyTool, Effect.Success<ReturnType<typeof make>>>()(
  "@my-scope/my-tool/test/FakeMyTool"
) {
  /** One that nobody gets into without its token. */
  static layer(options: { readonly token: string }) {
    return Layer.effect(FakeMyTool, make(options))
  }
}

/** Makes one. Nobody gets in without its token. */
export const make = (options: { readonly token: string }) =>
  Effect.gen(function* () {
    const heard = yield* Queue.unbounded<void>()
    const planned: Array<{ readonly plan: Plan; readonly begins: number; readonly ends: number }> = []
    const log: Array<{ readonly at: number; readonly run: Run.Run }> = []
    const listeners = new Set<Listener>()
    let fault: Fault | undefined

    const say = (listener: Listener, message: Run.Message) => {
      if (fault === "says nothing") return
      listener.say(fault === "talks nonsense" ? '{"type":"advert"}' : encode(message))
    }
    const tell = (run: Run.Run) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        log.push({ at, run })
        for (const listener of listeners) say(listener, { type: "run", at: DateTime.makeUnsafe(at), run })
      })
    const hangUp = () => {
      for (const listener of listeners) listener.close(1001)
      listeners.clear()
    }

    return {
      /** Whether anybody is there who could be connected to. */
      isUp: () => fault !== "is down",
      /** Somebody says the first word on a new connection. Listens until the Effect is interrupted. */
      listen: Effect.fnUntraced(function* (first: string, listener: Listener) {
        const hello = decodeHello(first)
        if (fault === "knows us no more" || hello.token !== options.token) return listener.close(4401)
        if (fault === "closes the connection") return listener.close(1001)
        const since = hello.since.epochMilliseconds
        const latest = new Map(log.map((news) => [news.run.id, news]))
        for (const news of log) {
          const isOpen = news.run.state === "running" && latest.get(news.run.id) === news
          if (isOpen || news.at >= since)
            say(listener, { type: "run", at: DateTime.makeUnsafe(news.at), run: news.run })
        }
        listeners.add(listener)
        yield* Queue.offer(heard, undefined)
        const ping = Effect.map(DateTime.now, (at) => say(listener, { type: "ping", at }))
        return yield* ping.pipe(
          Effect.andThen(Effect.sleep(PING)),
          Effect.forever,
          Effect.ensuring(Effect.sync(() => listeners.delete(listener)))
        )
      }),
      /** Waits for the next one who listens. */
      heard: Queue.take(heard),
      /** Plans runs, from now on. */
      plan: Effect.fnUntraced(function* (...plans: ReadonlyArray<Plan>) {
        const now = yield* Clock.currentTimeMillis
        for (const plan of plans) {
          const begins = now + millis(plan.after ?? 0)
          const ends = begins + millis(plan.takes ?? "1 minute")
          planned.push({ plan, begins, ends })
          yield* Effect.forkDetach(
            Effect.gen(function* () {
              yield* Effect.sleep(begins - now)
              yield* tell(runAt(plan, begins, ends, begins))
              yield* Effect.sleep(ends - begins)
              yield* tell(runAt(plan, begins, ends, ends))
            })
          )
        }
      }),
      /** Does this from now on. */
      fail: (next: Fault) =>
        Effect.sync(() => {
          fault = next
          if (next !== "says nothing" && next !== "talks nonsense") hangUp()
        }),
      /** Is well again. */
      recover: Effect.sync(() => {
        fault = undefined
        // What was not said meanwhile is said on the next connection.
        hangUp()
      }),
      /** What has to be told of all that was planned, by the names of `AgentSuite`: the lane and the title of each event. */
      expected: Effect.sync(() =>
        planned.flatMap(({ begins, ends, plan }) =>
          told(plan).map((title) => ({
            identity: `pipeline:${plan.job}/${plan.id} ${title}`,
            at: title.endsWith("RUNNING") ? begins : ends
          }))
        )
      )
    }
  })

/** The titles of the events of a run, in their order. */
export const told = ({ fails }: Pick<Plan, "fails">): ReadonlyArray<string> => [
  "RUNNING",
  "task load RUNNING",
  ...(fails === undefined
    ? ["task load COMPLETED", "metric rows", "COMPLETED"]
    : ["task load FAILED", "message ERROR", "FAILED"])
]

// ---- private parts

const encode = Schema.encodeSync(Schema.fromJsonString(Run.Message))

const decodeHello = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ token: Schema.String, since: Schema.DateTimeUtcFromString }))
)

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

const runAt = ({ fails, id, job }: Plan, begins: number, ends: number, now: number): Run.Run => {
  const started = DateTime.makeUnsafe(begins)
  if (now < ends)
    return { id, job, state: "running", started, steps: [{ name: "load", state: "running", started }] }
  const state = fails === undefined ? "succeeded" : "failed"
  const ended = DateTime.makeUnsafe(ends)
  const steps: Run.Run["steps"] = [{ name: "load", state, started, ended }]
  const run = { id, job, state, started, ended, steps } as const
  return fails === undefined ? { ...run, rows: 1200 } : { ...run, error: fails }
}
