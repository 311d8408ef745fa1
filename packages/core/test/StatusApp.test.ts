import { assert, describe, it } from "@effect/vitest"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as Logging from "@observability-agents/toolkit/Logging"
import { type DateTime, Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { run } from "./support/scripted.ts"
import * as Status from "./support/status.ts"

const EVIL = `<script>alert("x")</script>`

/** One run that is open, of a job with a name that nobody would give it but an attacker. */
const evil = (now: DateTime.Utc) =>
  Effect.succeed([run("evil", "r1", now, { pipeline: { key: EVIL, name: `${EVIL}<img src=x onerror=y>` } })])

/** A run per poll, each of which begins and ends at once. */
const busy = (now: DateTime.Utc) =>
  Effect.succeed([run("job", `r${now.epochMilliseconds}`, now, { phase: "Completed", endedAt: now })])

const rejected = ServerFault.answer(400, JSON.stringify({ error: { component: [`bad ${EVIL}`] } }))

describe("StatusApp", () => {
  it.effect("tells how the agent stands, and what it does, as JSON", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ poll: evil })
      yield* TestClock.adjust("30 seconds")
      const json = yield* status.json
      assert.deepInclude(json.agent, { key: "test-agent", type: "test", tool: "scripted" })
      assert.deepStrictEqual(json.ready, { ok: true, reasons: [] })
      assert.strictEqual(json.heartbeat.state, "sent")
      assert.deepInclude(json.outbox, { pending: 0, delivered: 1, deadLetters: 0 })
      assert.deepStrictEqual(json.loops.map(({ kind, name }) => [name, kind]).sort(), [
        ["heartbeat", "schedule"],
        ["list runs", "periodic"],
        ["send events", "receive"],
        ["track runs", "receive"]
      ])
      assert.deepStrictEqual(json.channels, [{ name: "runs", capacity: 64, depth: 0, waiting: 0 }])
      assert.deepStrictEqual(
        json.sources.map(({ openRuns, source }) => [source, openRuns]),
        [["scripted tool", 1]]
      )
      assert.deepInclude(json.runs.newest[0], { pipeline: EVIL, run: "r1" })
      assert.deepInclude(json.events[0], { kind: "delivered" })
      assert.deepInclude(Object(json.events[0]).event, { type: "run-status", title: "RUNNING", run: "r1" })
    })
  )

  it.effect("the page reads without a script, and shows no text of the tool as markup", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ poll: evil })
      yield* status.server.fail(rejected, { times: 1, where: ({ path }) => path.includes("run-status") })
      yield* TestClock.adjust("30 seconds")
      const { headers, text } = yield* status.get("/")
      assert.include(headers["content-type"], "text/html")
      assert.notInclude(text, "<script>alert")
      assert.notInclude(text, "<img")
      assert.include(text, "&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;")
      for (const words of [
        "Ready",
        "Runs being followed",
        "list runs",
        "0 of 64",
        "dead letter",
        "The way of the data"
      ]) {
        assert.include(text, words)
      }
      // The same holds for what a script puts in later.
      const events = yield* status.listen("/events?view=page")
      assert.notInclude(JSON.stringify(events[0]), "<script>alert")
    })
  )

  it.effect("browsers may load nothing from elsewhere, and no script in the document", () =>
    Effect.gen(function* () {
      const status = yield* Status.start()
      const { headers, text } = yield* status.get("/")
      assert.include(headers["content-security-policy"], "default-src 'none'")
      assert.notInclude(headers["content-security-policy"], "unsafe")
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.notMatch(text, /(src|href)="(https?:)?\/\//)
      assert.notMatch(text, /<script(?! src="\/status\.js" defer>)/)
      assert.notMatch(text, /\sstyle=|\son\w+=/)
      for (const [path, type] of [
        ["/status.css", "text/css"],
        ["/status.js", "text/javascript"],
        ["/status.svg", "image/svg+xml"]
      ] as const) {
        const file = yield* status.get(path)
        assert.strictEqual(file.status, 200)
        assert.include(file.headers["content-type"], type)
      }
    })
  )

  it.effect("only GET is answered, and only where the host's name is ours", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ hosts: ["agent.example.com"] })
      const code = (headers: Record<string, string>, method?: string) =>
        Effect.map(status.get("/", headers, method), ({ status }) => status)
      assert.strictEqual(yield* code({}, "POST"), 405)
      assert.strictEqual(yield* code({}, "HEAD"), 405)
      for (const host of [
        "localhost",
        "127.0.0.1:8080",
        "10.1.2.3:80",
        "[::1]:8080",
        "AGENT.example.com:8080"
      ]) {
        assert.strictEqual(yield* code({ host }), 200)
      }
      for (const host of [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "agent.example.com.evil",
        ""
      ]) {
        assert.strictEqual(yield* code({ host }), 421)
      }
      assert.strictEqual((yield* status.get("/nothing/here")).status, 404)
    })
  )

  it.effect("with a token, all but yes or no about health needs it", () =>
    Effect.gen(function* () {
      const token = "correct horse battery staple"
      const status = yield* Status.start({ token, poll: () => Effect.fail(`${EVIL} secret job`) })
      yield* TestClock.adjust("10 minutes")
      const code = (path: string, headers?: Record<string, string>) =>
        Effect.map(status.get(path, headers), ({ status }) => status)
      for (const path of ["/", "/metrics", "/status.json", "/graph", "/events", "/status.js"]) {
        assert.strictEqual(yield* code(path), 401)
        assert.strictEqual(yield* code(path, { authorization: `Bearer ${token}x` }), 401)
        assert.strictEqual(yield* code(path, { authorization: `Bearer ${token.slice(1)}` }), 401)
      }
      for (const path of ["/", "/metrics", "/status.json", "/graph", "/status.js"]) {
        assert.strictEqual(yield* code(path, { authorization: `Bearer ${token}` }), 200)
      }
      const bare = yield* status.get("/health/ready")
      assert.deepStrictEqual([bare.status, JSON.parse(bare.text)], [503, { ok: false }])
      const full = yield* status.get("/health/ready", { authorization: `bearer ${token}` })
      assert.include(full.text, "list runs")

      // In a browser: once in the address, then as a cookie that no script can read.
      assert.strictEqual(yield* code("/?token=wrong"), 401)
      const entered = yield* status.get(`/?token=${encodeURIComponent(token)}`)
      assert.deepStrictEqual([entered.status, entered.headers["location"], entered.text], [303, "/", ""])
      const cookie = entered.headers["set-cookie"] ?? ""
      // It holds no token, and its name that of the port, for browsers send cookies to all ports of a host.
      assert.match(
        cookie,
        /^observability_agent_status_8080=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict$/
      )
      const shown = cookie.split(";")[0] ?? ""
      assert.strictEqual(yield* code("/", { cookie: shown }), 200)
      assert.strictEqual(yield* code("/", { cookie: shown, host: "localhost:8081" }), 401)
      for (const value of ["%zz", encodeURIComponent(token), shown.slice(-63)]) {
        assert.strictEqual(yield* code("/", { cookie: `observability_agent_status_8080=${value}` }), 401)
      }
    })
  )

  it.effect("no answer holds a secret, even where an error does", () =>
    Effect.gen(function* () {
      const key = "dapi-0123456789abcdef"
      const status = yield* Status.start({ poll: () => Effect.fail(`refused: ${key}`) }).pipe(
        Effect.provideService(Logging.Selection, {
          level: "debug",
          mask: (text: string) => text.replaceAll(key, "********")
        })
      )
      const events = yield* status.listen("/events")
      const page = yield* status.listen("/events?view=page")
      yield* TestClock.adjust("10 minutes")
      const paths = ["/", "/status.json", "/metrics", "/graph", "/health/ready", "/health/live"]
      const answers = yield* Effect.forEach(paths, (path) => Effect.map(status.get(path), ({ text }) => text))
      const all = [...answers, JSON.stringify(events), JSON.stringify(page)].join()
      assert.include(all, "refused: ********")
      assert.notInclude(all, key)
      assert.notInclude(all, Redacted.value(status.server.key))
    })
  )

  it.effect("whoever listens gets a snapshot each second, and what happens as it happens", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ poll: busy })
      const events = yield* status.listen("/events")
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast(events.filter(({ event }) => event === "snapshot").length, 10)
      const kinds = events.filter(({ event }) => event === "activity").map(({ data }) => data.kind)
      assert.includeMembers(kinds, ["polled", "committed", "sent", "delivered"])
    })
  )

  it.effect("news can be asked for by kind, type, run and component", () =>
    Effect.gen(function* () {
      let job = 0
      const status = yield* Status.start({
        poll: (now) =>
          Effect.sync(() => [
            run(`etl-${(job += 1)}`, `r${job}`, now, { phase: "Completed", endedAt: now }),
            run(`bi-${job}`, `s${job}`, now)
          ])
      })
      const heard = (query: string) =>
        Effect.map(
          status.listen(`/events?snapshots=no${query}`),
          (events) => () =>
            events.map(({ data }) =>
              `${data.kind} ${data.event?.component ?? ""} ${data.event?.title ?? ""}`.trim()
            )
        )
      const delivered = yield* heard("&kind=delivered&type=run-status")
      const etl = yield* heard("&kind=delivered,rejected&component=etl-*")
      const one = yield* heard("&kind=delivered&run=s2")
      const none = yield* heard("&component=nothing")
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(new Set(delivered()).size, 6)
      assert.isTrue(delivered().length === 6 && etl().every((news) => news.startsWith("delivered etl-")))
      assert.isAtLeast(etl().length, 3)
      assert.deepStrictEqual(one(), ["delivered bi-2 RUNNING"])
      assert.deepStrictEqual(none(), [])
    })
  )

  it.effect("the page's stream brings only what has changed", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ poll: evil })
      yield* TestClock.adjust("20 seconds")
      const events = yield* status.listen("/events?view=page")
      yield* TestClock.adjust("2 seconds")
      const names = events.map(({ data }) => Object.keys(data.parts))
      assert.includeMembers(names[0] ?? [], ["head", "graph", "runs", "events", "letters"])
      assert.notIncludeMembers(names[1] ?? [], ["head", "letters"])
    })
  )

  it.effect("no more than so many may listen, and who leaves makes room", () =>
    Effect.gen(function* () {
      const status = yield* Status.start()
      yield* Effect.scoped(
        Effect.gen(function* () {
          for (let n = 0; n < 32; n++) yield* status.listen("/events?snapshots=no")
          assert.strictEqual((yield* status.get("/events")).status, 503)
        })
      )
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* status.open("/events")).status, 200)
    })
  )

  it.effect("those who come in at the same moment do not all find the last place free", () =>
    Effect.gen(function* () {
      const status = yield* Status.start()
      yield* Effect.scoped(
        Effect.gen(function* () {
          // Their bodies are not read yet.
          const all = yield* Effect.forEach(Array.from({ length: 40 }), () => status.open("/events"))
          assert.strictEqual(all.filter(({ status }) => status === 200).length, 32)
        })
      )
      assert.strictEqual((yield* status.open("/events")).status, 200)
    })
  )

  it.effect("an address that could be read in two ways is answered 400, with a token and without", () =>
    Effect.gen(function* () {
      for (const token of [undefined, "correct horse battery staple"]) {
        const status = yield* Status.start(token === undefined ? {} : { token })
        const odd = [
          ...["/status.json", "/metrics", "/", "/events"].map((path) => `${path};/../health/live`),
          ..."/health/live;x /health/live# /health\\live //health/live /a/../b /%2E%2e/b /health%2flive".split(
            " "
          ),
          ..."// //[ http://[ http://localhost/health/live * health/live /status.json#/health/live".split(
            " "
          ),
          "/status.json?x#/health/live"
        ]
        for (const path of odd) {
          const answer = yield* status.raw(path)
          assert.deepStrictEqual([path, answer.status], [path, 400])
          assert.strictEqual(answer.headers["x-content-type-options"], "nosniff")
        }
        const rightly = token === undefined ? 200 : 401
        for (const [path, code] of [
          ["/health/live?x=/../;//", 200],
          ["/status.json?component=a..b//c;d", rightly],
          ["/status.json?/health/live", rightly],
          ["/health/livex", token === undefined ? 404 : 401]
        ] as const) {
          assert.deepStrictEqual([path, (yield* status.raw(path)).status], [path, code])
        }
      }
    })
  )

  it.effect("memory stays bounded: of thousands of events the newest are remembered", () =>
    Effect.gen(function* () {
      let n = 0
      const status = yield* Status.start({
        poll: (now) =>
          Effect.sync(() =>
            Array.from({ length: 100 }, () =>
              run("job", `r${(n += 1)}`, now, { phase: "Completed", endedAt: now })
            )
          )
      })
      yield* TestClock.adjust("1 minute")
      const json = yield* status.json
      assert.isAbove(json.outbox.delivered, 200)
      assert.strictEqual(json.events.length, 200)
      assert.strictEqual(json.runs.open, 0)
      assert.isAtMost(json.samples.length, 120)
    })
  )

  it.effect("the graph is that of the parts that run", () =>
    Effect.gen(function* () {
      const status = yield* Status.start()
      yield* TestClock.adjust(0)
      const mermaid = (yield* status.get("/graph")).text
      assert.match(mermaid, /^flowchart LR\n/)
      assert.include(mermaid, "list runs")
      assert.match((yield* status.get("/graph?format=dot")).text, /^digraph agent \{[^]*"track runs\\n/)
    })
  )
})
