import { assert, describe, it } from "@effect/vitest"
import type { Snapshot } from "@observability-agents/core/Status"
import { type Cause, Deferred, Effect, Fiber, FileSystem, Option, Queue, Terminal } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import * as TopScreen from "../src/TopScreen.ts"
import * as Here from "./ProgramHere.ts"
import * as Process from "./ProgramProcess.ts"
import * as StatusFixture from "./StatusFixture.ts"
import * as StatusProcess from "./StatusProcess.ts"

const URL_FLAG = ["--url", "http://agent.example:8080"]
const { snapshot } = StatusFixture
const standing = (path: string) => (path === "/status.json" ? StatusFixture.json(snapshot) : undefined)

const live = <E>(name: string, test: Effect.Effect<void, E, Effect.Services<ReturnType<typeof Here.run>>>) =>
  it.live(name, () => Effect.provide(test, Here.services), 30_000)

describe("observability-agent health", () => {
  const ask = (args: ReadonlyArray<string>, ready: Response | undefined, live = ready) =>
    Here.run({
      args: ["health", ...args],
      client: StatusFixture.client((path) =>
        path === "/health/ready" ? ready : path === "/health/live" ? live : undefined
      )
    })

  live(
    "prints one line and ends with 0 for yes, with 1 and the reasons for no",
    Effect.gen(function* () {
      const yes = yield* ask(URL_FLAG, StatusFixture.json({ ok: true, reasons: [] }))
      assert.deepInclude(yes, { exitCode: 0, stdout: "ready\n", stderr: "" })
      const no = yield* ask(
        URL_FLAG,
        StatusFixture.json(
          { ok: false, reasons: [{ part: "list runs", reason: "it is not read any more", since: null }] },
          503
        )
      )
      assert.deepInclude(no, {
        exitCode: 1,
        stdout: "not ready: list runs: it is not read any more\n",
        stderr: ""
      })
    })
  )

  live(
    "asks with --live whether a restart would not help",
    Effect.gen(function* () {
      const answer = yield* ask(
        [...URL_FLAG, "--live", "--json"],
        StatusFixture.json({ ok: false }, 503),
        StatusFixture.json({ ok: true, reasons: [] })
      )
      assert.strictEqual(answer.exitCode, 0)
      assert.deepStrictEqual(JSON.parse(answer.stdout), { kind: "live", ok: true, reasons: [] })
    })
  )

  live(
    "ends with 1 where nobody answers, and with 0 where there is nothing to ask",
    Effect.gen(function* () {
      const silent = yield* ask(URL_FLAG, undefined)
      assert.strictEqual(silent.exitCode, 1)
      assert.match(
        silent.stdout,
        /^not ready: .*http:\/\/agent\.example:8080 does not answer: nobody listens there/
      )
      const off = yield* ask([], undefined)
      assert.strictEqual(off.exitCode, 0)
      assert.match(off.stdout, /^Nothing to ask: no port of \[status\] is set/)
    })
  )
})

describe("the commands that look on", () => {
  for (const command of ["top", "tap"]) {
    live(
      `${command} says how to turn the status server on where it is off (78), and who does not answer (69)`,
      Effect.gen(function* () {
        const off = yield* Here.run({ args: [command] })
        assert.strictEqual(off.exitCode, 78)
        assert.match(off.stderr, /DK_STATUS_PORT.*Set it, for example to 8080/)
        const silent = yield* Here.run({
          args: [command, ...URL_FLAG],
          client: StatusFixture.client(() => undefined)
        })
        assert.strictEqual(silent.exitCode, 69)
        assert.match(silent.stderr, /does not answer: nobody listens there\. Is the agent running/)
        const foreign = yield* Here.run({
          args: [command, ...URL_FLAG],
          client: StatusFixture.client(() => StatusFixture.json({ hello: "world" }))
        })
        assert.strictEqual(foreign.exitCode, 69)
        assert.match(foreign.stderr, /no status server of an agent/)
        const { channels: _, ...older } = snapshot
        const other = yield* Here.run({
          args: [command, ...URL_FLAG],
          client: StatusFixture.client(() => StatusFixture.json(older))
        })
        assert.strictEqual(other.exitCode, 69)
        assert.match(other.stderr, /is of another release: .* has no channels/)
      })
    )
  }

  live(
    "find the server by the settings, and show it the token of the settings or of --token-file, never anybody else",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped({ prefix: "status-commands-" })
      yield* fs.writeFileString(`${directory}/token`, "a-token-from-a-file\n")
      const asked: Array<string> = []
      const client = StatusFixture.client((path, headers) => {
        asked.push(String(headers["authorization"]))
        return headers["authorization"] === undefined ? new Response("", { status: 401 }) : standing(path)
      })
      const env = {
        DK_STATUS_PORT: "8080",
        DK_STATUS_HOST: "0.0.0.0",
        DK_STATUS_TOKEN: "a-token-from-the-settings"
      }
      assert.strictEqual((yield* Here.run({ args: ["top"], env, client })).exitCode, 0)
      yield* Here.run({ args: ["top", "--token-file", `${directory}/token`], env, client })
      assert.deepStrictEqual(asked, ["Bearer a-token-from-the-settings", "Bearer a-token-from-a-file"])
      const refused = yield* Here.run({ args: ["top", ...URL_FLAG], client })
      assert.strictEqual(refused.exitCode, 77)
      assert.match(refused.stderr, /wants its token: none was given.*--token-file/)
      // Not that of the settings, which is for the server of the settings.
      const other = yield* Here.run({ args: ["top", ...URL_FLAG], env, client })
      assert.strictEqual(other.exitCode, 77)
      assert.strictEqual(asked.at(-1), "undefined")
      const missing = yield* Here.run({ args: ["top", "--token-file", `${directory}/none`], env, client })
      assert.strictEqual(missing.exitCode, 64)
      assert.match(missing.stderr, /none \(--token-file\) cannot be read/)
    }).pipe(Effect.scoped)
  )
})

describe("observability-agent top", () => {
  live(
    "prints one picture where the output is no terminal, and the whole document with --json",
    Effect.gen(function* () {
      const client = StatusFixture.client(standing)
      const plain = yield* Here.run({ args: ["top", ...URL_FLAG], client })
      assert.strictEqual(plain.exitCode, 0)
      assert.strictEqual(
        plain.stdout,
        `${TopScreen.render({ columns: Infinity, rows: Infinity, colours: false }, snapshot).join("\n")}\n`
      )
      const json = yield* Here.run({ args: ["top", ...URL_FLAG, "--json"], client, terminal: true })
      assert.deepStrictEqual(JSON.parse(json.stdout), snapshot)
    })
  )

  it("shows sources, loops, channels, outbox, rates and lag", () => {
    const text = TopScreen.render({ columns: Infinity, rows: Infinity, colours: false }, snapshot).join("\n")
    for (const words of [
      "production (databricks 0.1.0)  up 10 min  ready  live  heartbeat sent, last 40 s ago",
      "databricks https://adb-1.example.com  2026-01-05 08:09:58  7",
      "list runs    ok     5 s    120   1       2 s ago",
      "send events  fails  –      40    3       never",
      "runs     64     64  2",
      "12 waiting in 3 lanes, 2 under way, the oldest for 4 s",
      "1,234 in all  1 dead letter",
      "42 made, 30 delivered  on average 2.3 s after they happened"
    ]) {
      assert.include(text, words)
    }
  })

  it("fits any terminal, and lets nothing through that moves its cursor", () => {
    const nasty: Snapshot = {
      ...snapshot,
      sources: [{ source: "evil\u001b[2J\u202e\nsource", readUpTo: null, openRuns: 1 }],
      ready: { ok: false, reasons: [{ part: "list runs", reason: "x".repeat(500), since: null }] }
    }
    for (const columns of [10, 40, 80]) {
      for (const rows of [1, 5, 100]) {
        const lines = TopScreen.render({ columns, rows, colours: false }, nasty, "It does not answer.")
        assert.isAtMost(lines.length, rows)
        for (const line of lines) {
          assert.isAtMost(line.length, columns)
          // oxlint-disable-next-line no-control-regex
          assert.notMatch(line, /[\u0000-\u001f]/)
        }
      }
    }
  })

  /** A terminal that is read, and at which keys are pressed. */
  const terminal = Effect.gen(function* () {
    const shown: Array<string> = []
    const keys = yield* Queue.make<Terminal.UserInput, Cause.Done>()
    const drawn = yield* Queue.make<string>()
    const sizes = yield* Queue.make<Terminal.Size, Cause.Done>()
    yield* Queue.offer(sizes, { columns: 80, rows: 24 })
    const service = Terminal.make({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      size: Effect.succeed(sizes),
      readInput: Effect.succeed(keys),
      readLine: Effect.never,
      display: (text) => {
        shown.push(text)
        return Effect.asVoid(Queue.offer(drawn, text))
      }
    })
    const press = (name: string, ctrl = false) =>
      Queue.offer(keys, { input: Option.some(name), key: { name, ctrl, meta: false, shift: false } })
    return { service, shown, press, sizes, next: Queue.take(drawn) }
  })
  const ENTER = "\u001b[?1049h\u001b[?25l"
  const LEAVE = "\u001b[?25h\u001b[?1049l"

  it.effect(
    "draws anew in place, says when the agent does not answer, follows the size, and q gives the terminal back",
    () =>
      Effect.gen(function* () {
        const { next, press, service, shown, sizes } = yield* terminal
        let isThere = true
        const client = StatusFixture.client((path) => (isThere ? standing(path) : undefined))
        const fiber = yield* Effect.forkChild(
          Effect.provideService(
            Here.run({ args: ["top", ...URL_FLAG, "--interval", "2"], client, terminal: true }),
            Terminal.Terminal,
            service
          )
        )
        assert.strictEqual(yield* next, ENTER)
        assert.isTrue((yield* next).startsWith("\u001b[Hproduction (databricks"))
        yield* next
        isThere = false
        yield* TestClock.adjust("2 seconds")
        assert.match(yield* next, /\nAs it was .* ago\. The agent's status server at/)
        isThere = true
        yield* TestClock.adjust("2 seconds")
        assert.notInclude(yield* next, "As it was")
        yield* Queue.offer(sizes, { columns: 20, rows: 5 })
        const small = (yield* next).split("\n")
        assert.isAtMost(small.length, 5)
        yield* press("q")
        const { exitCode } = yield* Fiber.join(fiber)
        assert.strictEqual(exitCode, 0)
        assert.strictEqual(shown.at(-1), LEAVE)
      }).pipe(Effect.provide(Here.services))
  )

  for (const [how, end] of [
    ["Ctrl-C at the terminal", "key"],
    ["an interruption", "signal"],
    ["a token that is not taken any more", "refusal"]
  ] as const) {
    it.effect(`gives the terminal back after ${how}`, () =>
      Effect.gen(function* () {
        const { next, press, service, shown } = yield* terminal
        let isRefused = false
        const client = StatusFixture.client((path) =>
          isRefused ? new Response("", { status: 401 }) : standing(path)
        )
        const fiber = yield* Effect.forkChild(
          Effect.provideService(
            Here.run({ args: ["top", ...URL_FLAG], client, terminal: true }),
            Terminal.Terminal,
            service
          )
        )
        for (let index = 0; index < 3; index++) yield* next
        if (end === "key") yield* press("c", true)
        if (end === "signal") yield* Fiber.interrupt(fiber)
        if (end === "refusal") {
          isRefused = true
          yield* TestClock.adjust("1 second")
        }
        const exit = yield* Fiber.await(fiber)
        assert.strictEqual(shown.at(-1), LEAVE)
        if (exit._tag === "Success") assert.strictEqual(exit.value.exitCode, end === "refusal" ? 77 : 0)
      }).pipe(Effect.provide(Here.services))
    )
  }
})

describe("observability-agent tap", () => {
  const event = (number: number, run: string, kind = "delivered", type = "run-status") => ({
    kind,
    number,
    at: "2026-01-05T08:00:01.000Z",
    lag: 2,
    event: { type, title: "RUNNING", component: "1001", componentName: "nightly", run }
  })

  /** Runs `tap` against connections that end one after the other; when the last is asked for, it is over. */
  const tap = (
    args: ReadonlyArray<string>,
    connections: ReadonlyArray<{ readonly startedAt: string; readonly news: ReadonlyArray<object> }>
  ) =>
    Effect.gen(function* () {
      let index = 0
      const over = yield* Deferred.make<void>()
      const client = StatusFixture.client((path) => {
        const connection = connections[index]
        if (path === "/status.json") {
          return StatusFixture.json({ ...snapshot, startedAt: (connection ?? connections.at(-1))?.startedAt })
        }
        index += 1
        if (connection !== undefined) return StatusFixture.news(...connection.news)
        Deferred.doneUnsafe(over, Effect.void)
        return StatusFixture.news()
      })
      const fiber = yield* Effect.forkChild(Here.run({ args: ["tap", ...URL_FLAG, ...args], client }))
      while (!Deferred.isDoneUnsafe(over)) {
        yield* TestClock.adjust("1 second")
        // What waits for files and streams is not a matter of the clock.
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      yield* Fiber.interrupt(fiber)
      const text = (lines: ReadonlyArray<unknown>) => lines.map(String)
      return { stdout: text(yield* TestConsole.logLines), stderr: text(yield* TestConsole.errorLines) }
    }).pipe(Effect.provide(Here.services))

  const A = "2026-01-05T08:00:00.000Z"
  const B = "2026-01-05T09:00:00.000Z"

  it.effect("prints one line for each piece of news", () =>
    Effect.gen(function* () {
      const { stdout } = yield* tap(
        [],
        [
          {
            startedAt: A,
            news: [
              event(1, "7001"),
              { kind: "polled", number: 2, at: A, source: "databricks x", cursor: A },
              { ...event(3, "7001", "retried"), attempts: 2, after: 4, error: "503" },
              { kind: "health", number: 4, at: A, part: "list runs", state: "failing", reason: "no answer" },
              { kind: "log", number: 5, at: A, level: "WARN", message: "Loop run failed", loop: "list runs" }
            ]
          }
        ]
      )
      assert.deepStrictEqual(
        stdout.map((line) => line.replaceAll(/ {2,}/g, " | ").trim()),
        [
          "08:00:01 | delivered | run-status | 1001/7001 (nightly) | RUNNING | (2 s after it happened)",
          "08:00:00 | polled | databricks x read up to 2026-01-05 08:00:00",
          "08:00:01 | retried | run-status | 1001/7001 (nightly) | RUNNING | 2 tries failed, again in 4 s: 503",
          "08:00:00 | failing | list runs: no answer",
          "08:00:00 | log | WARN Loop run failed (list runs)"
        ]
      )
    })
  )

  it.effect("lets through what is asked for: kind, type, run, component by key or name", () =>
    Effect.gen(function* () {
      const connection = {
        startedAt: A,
        news: [
          event(1, "7001"),
          event(2, "7002", "sent"),
          event(3, "7003", "delivered", "message-log"),
          event(4, "7004")
        ]
      }
      for (const [args, runs] of [
        [
          ["--kind", "delivered"],
          ["7001", "7003", "7004"]
        ],
        [["--type", "message-log"], ["7003"]],
        [
          ["--type", "message-log", "--type", "run-status", "--kind", "delivered"],
          ["7001", "7003", "7004"]
        ],
        [["--run", "700*", "--kind", "sent"], ["7002"]],
        [["--component", "1001", "--run", "7001"], ["7001"]],
        [["--job", "night*", "--run", "7004"], ["7004"]],
        [["--job", "daily"], []]
      ] as const) {
        const { stdout } = yield* tap([...args, "--json"], [connection])
        const printed = stdout.map((line) => JSON.parse(line)).filter(({ kind }) => kind !== "tap")
        assert.deepStrictEqual(
          printed.slice(-runs.length || printed.length).map(({ event }) => event.run),
          [...runs]
        )
      }
    })
  )

  it.effect(
    "connects again, and says what it missed: a gap, a time without connection, a new start of the agent",
    () =>
      Effect.gen(function* () {
        const { stderr, stdout } = yield* tap(
          ["--kind", "delivered"],
          [
            { startedAt: A, news: [event(1, "a"), event(2, "b", "sent"), event(5, "c")] },
            { startedAt: A, news: [event(9, "d")] },
            { startedAt: B, news: [event(1, "e")] }
          ]
        )
        // What comes after the last connection is of no interest.
        assert.deepStrictEqual(stderr.slice(0, 9), [
          "-- Listening to the agent at http://agent.example:8080.",
          "-- Missed 2 pieces of news.",
          "-- The connection to the agent ended; waiting for it.",
          "-- The agent is back.",
          "-- Missed 3 pieces of news.",
          "-- The connection to the agent ended; waiting for it.",
          "-- The agent is back, started anew; what it did in between was missed.",
          "-- The connection to the agent ended; waiting for it.",
          "-- The agent is back."
        ])
        assert.deepStrictEqual(
          stdout.map((line) => /1001\/(\w)/.exec(line)?.[1]),
          ["a", "c", "d", "e"]
        )
      })
  )

  live(
    "refuses kinds and types that there are not, and names those there are",
    Effect.gen(function* () {
      const kind = yield* Here.run({ args: ["tap", ...URL_FLAG, "--kind", "nothing"] })
      assert.strictEqual(kind.exitCode, 64)
      assert.match(
        kind.stderr,
        /no kind "nothing" \(--kind\)\. There are: polled, committed, sent, delivered/
      )
      const type = yield* Here.run({ args: ["tap", ...URL_FLAG, "--type", "run"] })
      assert.match(type.stderr, /There are: run-status, message-log/)
    })
  )
})

describe("a running agent", () => {
  it.live(
    "is asked by the program over a socket",
    () =>
      Effect.gen(function* () {
        const agent = yield* StatusProcess.start()
        const url = yield* agent.url
        const health = yield* Process.run({ args: ["health", "--live", "--url", url] })
        assert.deepInclude(health, { exitCode: 0, stdout: "live\n" })
        const top = yield* Process.run({ args: ["top", "--url", url] })
        assert.strictEqual(top.exitCode, 0)
        assert.match(top.stdout, /^status-test \(databricks .*\n\nSOURCE /)
        const graph = yield* Process.run({ args: ["top", "--json", "--url", url] })
        assert.containsAllKeys(JSON.parse(graph.stdout), Object.keys(snapshot))
      }).pipe(Effect.scoped),
    60_000
  )
})

describe("observability-agent graph", () => {
  live(
    "draws the agent of the settings, as Mermaid or DOT, and talks to nobody",
    Effect.gen(function* () {
      const env = {
        DK_AGENT_TYPE: "databricks",
        DK_AGENT_KEY: "production",
        DK_OBSERVABILITY_BASE_URL: "http://observability.example",
        DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "key",
        DK_DATABRICKS_HOST: "https://adb-1.example.com",
        DK_AGENT_TOKEN: "token",
        DK_PERIOD: "7"
      }
      const mermaid = yield* Here.run({ args: ["graph"], env })
      assert.strictEqual(mermaid.exitCode, 0)
      assert.match(mermaid.stdout, /^flowchart LR\n/)
      assert.include(mermaid.stdout, "list runs<br/>every 7 s")
      const dot = yield* Here.run({ args: ["graph", "--format", "dot"], env })
      assert.match(dot.stdout, /^digraph agent \{[^]*\}\n$/)
      const wrong = yield* Here.run({ args: ["graph", "--format", "svg"], env })
      assert.strictEqual(wrong.exitCode, 64)
    })
  )
})
