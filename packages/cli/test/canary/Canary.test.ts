import { assert, describe, it } from "@effect/vitest"
import type * as DatabricksAuth from "@observability-agents/agent-databricks/DatabricksAuth"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Effect } from "effect"
import * as Http from "node:http"
import * as Agents from "../../src/Agents.ts"
import * as Canary from "./Canary.ts"
import * as Mirror from "./Mirror.ts"
import * as Outputs from "./Outputs.ts"
import * as Plants from "./Plants.ts"
import * as Program from "./Program.ts"
import * as World from "./World.ts"

const secrets = Plants.secretSettings(Agents.allSections)
const alone = secrets.filter(({ list }) => list === undefined)
const inWorkspaces = secrets.filter(({ list, table }) => table === "databricks" && list === "workspaces")

/** Asks a status server, and gives all that it answers but the cookie that stands for the token. */
const get = (url: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
  Effect.callback<string>((resume) => {
    const request = Http.request(url, { headers, method }, (response) => {
      const { "set-cookie": _cookie, ...others } = response.headers
      let body = ""
      response.setEncoding("utf8").on("data", (text: string) => (body += text))
      response.on("close", () =>
        resume(Effect.succeed(`${response.statusCode} ${JSON.stringify(others)}\n${body}`))
      )
    })
    request.on("error", (error) => resume(Effect.succeed(String(error))))
    // Streams of events do not end by themselves.
    request.setTimeout(1500, () => request.destroy())
    const timer = setTimeout(() => request.destroy(), 2500)
    request.on("close", () => clearTimeout(timer))
    request.end()
  })

const PAGES = [
  "",
  "status.json",
  "metrics",
  "graph",
  "graph?format=dot",
  "health/live",
  "health/ready",
  "events",
  "events?view=page",
  "status.js",
  "nothing"
]

const addressOf = (log: string): string | undefined =>
  /Status server listens.*?(http:\/\/[\d.]+:\d+\/)/s.exec(log)?.[1]

const until = (what: string, isTrue: () => boolean, seconds = 20) =>
  Effect.gen(function* () {
    for (let waited = 0; !isTrue(); waited += 50) {
      if (waited > seconds * 1000)
        return yield* Effect.die(new Error(`Not within ${seconds} seconds: ${what}`))
      yield* Effect.sleep("50 millis")
    }
  })

describe("the canaries", () => {
  it("are found whole and in part, in every encoding", () => {
    const canaries = Canary.make()
    const secret = canaries.of("one")
    const other = canaries.of("two")
    const basic = [0, 1, 2].map((length) => Buffer.from(`${"u".repeat(length)}:${secret}`).toString("base64"))
    for (const text of [
      `token ${secret}!`,
      encodeURIComponent(secret),
      new URLSearchParams({ a: secret }).toString(),
      JSON.stringify({ secret: JSON.stringify(secret) }),
      secret.slice(0, 10),
      secret.slice(8, 20),
      secret.toUpperCase(),
      ...basic,
      ...basic.map((text) => encodeURIComponent(text)),
      Buffer.from(secret).toString("base64url"),
      Buffer.from(secret).toString("hex")
    ]) {
      assert.deepStrictEqual(canaries.find("here", `a ${text} b`).map(({ id }) => id)[0], "one", text)
    }
    assert.deepStrictEqual(canaries.find("here", Buffer.from(`\u0000${other}`)).length > 0, true)
    assert.deepStrictEqual(canaries.find("here", `a ${secret}`, new Set(["one"])), [])
    assert.deepStrictEqual(canaries.find("here", "a ******** b"), [])
  })

  it("are planted in every secret setting that the sections have, also in one that is new", () => {
    const ids = secrets.map(({ id }) => id)
    for (const id of [
      "[status] token",
      "[http] auth",
      "[telemetry] headers",
      "[[databricks.workspaces]] token"
    ]) {
      assert.include(ids, id)
    }
    assert.deepStrictEqual(
      secrets.filter(({ list }) => list !== undefined).map(({ id }) => id),
      inWorkspaces.map(({ id }) => id),
      "a new list of tables holds secrets: plant them"
    )
    assert.includeMembers(
      [...Plants.toolSecrets],
      ["token", "client_secret", "azure_client_secret", "password"]
    )
    const isNew = Settings.section("new", {
      description: "",
      fields: { pin: Settings.secret({ description: "" }) }
    })
    const settings = Plants.secretSettings([...Agents.allSections, isNew])
    assert.include(
      settings.map(({ id }) => id),
      "[new] pin"
    )
    for (const place of Plants.places) {
      const canaries = Canary.make()
      const planted = Plants.plant(
        settings.filter(({ list }) => list === undefined),
        place,
        canaries
      )
      const all = JSON.stringify(planted)
      for (const { id } of settings.filter(({ list }) => list === undefined)) {
        const found = canaries.find("", all).filter((leak) => leak.id === id || leak.id.startsWith(`${id},`))
        assert.isAbove(found.length, 0, `${id} by ${place}`)
      }
    }
    const strange = Settings.section("new", {
      description: "",
      fields: { pin: { ...Settings.integer({ description: "" }), secret: true } }
    })
    assert.throws(() => Plants.secretSettings([strange]), /How is the secret setting \[new\] pin written/)
  })
})

describe("no secret is in any output", () => {
  it.live(
    "of an agent that runs among workspaces, a server and a collector that all say what they were told",
    () =>
      Effect.gen(function* () {
        const canaries = Canary.make()
        const outputs: Outputs.Outputs = []
        const world = yield* World.make(canaries)
        const server = yield* world.observability(World.cycle(World.mixed))
        const proxy = yield* Mirror.make({ next: () => "words" })
        const own = (name: string) => inWorkspaces.map(({ id }) => `${id} of ${name}`)

        // A workspace for each way to fail and each kind of credentials, and two that work.
        const workspaces: Array<{
          readonly name: string
          readonly keys: Readonly<Record<string, Plants.Value>>
        }> = []
        const mirrors: Array<Mirror.Mirror> = []
        const add = Effect.fnUntraced(function* (
          name: string,
          authType: DatabricksAuth.Kind,
          next: Mirror.Options["next"],
          host?: string
        ) {
          const tokens = Object.fromEntries(
            inWorkspaces.map(({ id, key }) => [key, canaries.of(`${id} of ${name}`)])
          )
          const fetched = `the access token of ${name}`
          const token = authType === "oauth-m2m" ? canaries.of(fetched) : (tokens["token"] ?? "")
          const mirror = yield* world.workspace(
            name,
            token,
            next,
            [...own(name), fetched],
            mirrors.length < 3
          )
          mirrors.push(mirror)
          workspaces.push({
            name,
            keys: {
              name,
              host: host?.replace("PORT", String(mirror.port)) ?? mirror.url,
              auth_type: authType,
              client_id: "client",
              azure_client_id: "client",
              azure_tenant_id: "tenant",
              username: "observer",
              ...tokens
            }
          })
        })
        const isApi = (path: string) => path.includes("/api/")
        yield* add("good", "pat", () => "pass")
        yield* add("mixed", "oauth-m2m", World.cycle(World.mixed))
        const outputsOnly = World.cycle(Mirror.manners)
        yield* add("outputs", "pat", (path) => (path.includes("/list") ? "pass" : outputsOnly(path)))
        for (const manner of Mirror.manners) yield* add(manner, "pat", () => manner)
        for (const manner of ["words", "page", "shape", "nonsense", "redirect"] as const) {
          yield* add(`sign-in ${manner}`, "oauth-m2m", () => manner)
        }
        for (const manner of ["words", "challenge", "redirect"] as const) {
          yield* add(`fetched ${manner}`, "oauth-m2m", (path) => (isApi(path) ? manner : "pass"))
          yield* add(`basic ${manner}`, "basic", () => manner)
        }
        yield* add("azure", "azure-client-secret", () => "words")
        yield* add("tls", "pat", () => "words", "https://127.0.0.1:PORT")
        yield* add("proxied", "pat", () => "words", "https://workspace.invalid")
        yield* add("closed", "pat", () => "words", "http://127.0.0.1:1")

        const planted = Plants.plant(alone, "key", canaries)
        const first = mirrors[0]
        assert.isDefined(first)
        if (first === undefined) return
        const { databricks: _single, ...base } = World.settings(first, server, {
          status: { port: 0, hosts: ["agent"] },
          telemetry: {
            otlp_endpoint: world.collector.url,
            protocol: "http/json",
            compression: "gzip",
            export_interval: 1
          }
        })
        const listOf = (revise: (text: string) => string) =>
          workspaces.map(({ keys }) => revise(Plants.toml({ "[databricks.workspaces]": keys }))).join("\n")
        const tables = Plants.merge(base, planted.tables, {
          databricks: { period: 0.5, results: true, metrics: true }
        })
        const file = `${Plants.toml(tables)}\n${listOf((text) => text)}`
        const cwd = yield* Program.folder
        yield* Program.write(cwd, { "agent.toml": file, token: canaries.of("[status] token") })
        const given = ["agent.toml", "token"]
        const password = encodeURIComponent(canaries.of("the proxy's password"))
        const env = { HTTPS_PROXY: `http://user:${password}@127.0.0.1:${proxy.port}`, NO_PROXY: "127.0.0.1" }
        const agent = yield* Program.start({ args: ["run"], cwd, env })
        yield* until("the status server listens", () => addressOf(agent.said()) !== undefined).pipe(
          Effect.catchDefect((error) =>
            Effect.die(new Error(`${String(error)}\n${agent.said().slice(0, 5000)}`))
          )
        )
        const url = addressOf(agent.said()) ?? ""
        const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
        const token = canaries.of("[status] token")

        // Commands beside it, of which two look on all the time.
        const beside = (args: ReadonlyArray<string>) => ({ args: [...args], cwd, env })
        const tap = yield* Program.start(beside(["tap", "--json", "--url", url, "--token-file", "token"]))
        const top = yield* Program.start(
          beside(["top", "--interval", "0.5", "--url", url, "--token-file", "token"])
        )
        let heard = ""
        const events = Http.get(`${url}events`, { headers: bearer(token) }, (response) => {
          response.setEncoding("utf8").on("data", (text: string) => (heard += text))
        }).on("error", () => {})

        const look = Effect.fnUntraced(function* (when: string, token: string) {
          yield* Effect.forEach(
            PAGES,
            (page) =>
              Effect.map(get(`${url}${page}`, bearer(token)), (answer) =>
                outputs.push([`/${page} of the status server ${when}`, answer])
              ),
            { concurrency: "unbounded" }
          )
          for (const [page, headers, method] of [
            [`?token=${encodeURIComponent(token)}`, {}, "GET"],
            [`nothing?token=${encodeURIComponent(token)}`, bearer(token), "GET"],
            ["status.json", bearer(`${token}!`), "GET"],
            ["status.json", { ...bearer(token), host: "elsewhere" }, "GET"],
            ["status.json", bearer(token), "POST"],
            ["health/ready", {}, "GET"]
          ] as const) {
            outputs.push([
              `/${page.slice(0, 10)} (${method}) of the status server ${when}`,
              yield* get(`${url}${page}`, headers, method)
            ])
          }
        })
        const met = (mirror: Mirror.Mirror) => new Set(mirror.asked().map(({ manner }) => manner))
        yield* Effect.sleep("2 seconds")
        yield* look("at first", token)
        const asked = () => server.asked().filter(({ path }) => path.includes("/events/"))
        yield* until(
          "the server has failed in every way, for events and heartbeats",
          () => Mirror.manners.every((manner) => asked().some((request) => request.manner === manner)),
          30
        )

        yield* look("after failures", token)

        yield* Effect.forEach(
          [
            ["health", "--url", url, "--token-file", "token"],
            ["top", "--json", "--url", url, "--token-file", "token"],
            ["top", "--json", "--url", `${url}?token=${encodeURIComponent(token)}x`],
            [
              "tap",
              "--url",
              `http://user:${encodeURIComponent(token)}@127.0.0.1:1/?token=${encodeURIComponent(token)}`
            ],
            ["health", "--url", url, "--token-file", "agent.toml"],
            ["run", "--dry-run", "--once", "--timeout", "3"],
            ["check", "--json"],
            ["outbox", "status", "--json"],
            ["config", "show"]
          ],
          (args) =>
            Effect.map(Program.run(beside(args)), (ended) =>
              Outputs.add(outputs, `${args[0]} beside the agent`, ended)
            ),
          { concurrency: 3 }
        )

        // Other secrets, which are wrong, while it runs.
        const changed = canaries.of("[status] token, changed")
        const revised = file
          .replaceAll(JSON.stringify(token), JSON.stringify(changed))
          .replaceAll(
            JSON.stringify(canaries.of("[observability] service_account_key")),
            JSON.stringify(canaries.of("[observability] service_account_key, changed"))
          )
          .replaceAll(
            JSON.stringify(canaries.of("[[databricks.workspaces]] token of good")),
            JSON.stringify(canaries.of("[[databricks.workspaces]] token, changed"))
          )
        yield* Program.write(cwd, { "agent.toml": revised })
        agent.kill("SIGHUP")
        yield* until("settings were read again", () => /Settings were read again/.test(agent.said()))
        yield* Effect.sleep("2 seconds")
        const again = addressOf(agent.said().slice(agent.said().lastIndexOf("Status server listens"))) ?? url
        outputs.push(["/status.json after a change", yield* get(`${again}status.json`, bearer(changed))])
        outputs.push(["/status.json with the old token", yield* get(`${again}status.json`, bearer(token))])
        const before = agent.said().length
        yield* Program.write(cwd, {
          "agent.toml": revised.replace(
            /^service_account_key = .*$/m,
            `service_account_key = { a = ${JSON.stringify(canaries.of("an invalid key"))} }`
          )
        })
        agent.kill("SIGHUP")
        yield* until("invalid settings were reported", () =>
          agent.said().slice(before).includes("service_account_key")
        )
        yield* Program.write(cwd, { "agent.toml": file })

        tap.kill("SIGINT")
        top.kill("SIGINT")
        agent.kill("SIGTERM")
        const ended = yield* agent.ended
        assert.strictEqual(ended.code, 0)
        events.destroy()
        Outputs.add(outputs, "run", ended)
        Outputs.add(outputs, "tap", yield* tap.ended)
        Outputs.add(outputs, "top", yield* top.ended)
        outputs.push(["/events of the status server", heard])
        Outputs.files(outputs, "run", cwd, given)

        // What it left behind, through the commands that show it.
        const shown = [
          ["outbox", "status"],
          ["outbox", "verify"],
          ["dead-letters", "list"],
          ["dead-letters", "list", "--json"],
          ["dead-letters", "show", "1"],
          ["dead-letters", "show", "2", "--json"],
          ["explain", "good/1002/8001"],
          ["explain", "good/1001/7001", "--json"],
          ["graph"]
        ]
        const changing = [
          ["dead-letters", "replay", "1", "--force"],
          ["dead-letters", "drop", "2"],
          ["backfill", "--from", "2 hours", "--no-send"],
          ["run", "--once", "--timeout", "2"]
        ]
        const command = (args: ReadonlyArray<string>) =>
          Effect.map(Program.run(beside(args)), (ended) => Outputs.add(outputs, args.join(" "), ended))
        yield* Effect.forEach(shown, command, { concurrency: 3 })
        // The state file belongs to one at a time.
        yield* Effect.forEach(changing, command)
        Outputs.files(outputs, "the commands", cwd, given)

        Outputs.judge(canaries, outputs, world.sent())

        // All of it has happened, else nothing is proved.
        for (const manner of Mirror.manners) {
          assert.isTrue(met(server).has(manner), `the server never answered by ${manner}`)
          assert.isTrue(
            mirrors.some((mirror) => met(mirror).has(manner)),
            `no workspace answered by ${manner}`
          )
        }
        assert.isAbove(proxy.asked().length, 0, "nobody asked the proxy")
        assert.isAbove(world.stranger.asked().length, 0, "nobody followed a redirect")
        assert.isAbove((yield* world.server.events).length, 10)
        assert.isAbove((yield* world.server.heartbeats).length, 0)
        assert.isAbove(world.collector.spans().length, 10)
        assert.isAbove(world.collector.metrics().size, 5)
        assert.isAbove(world.collector.logs().length, 10)
        for (const [where, what] of [
          [/error of run/, "********"],
          [/output of tap/, "********"],
          [/output of top/, "events"],
          [/\/status\.json.*after failures/, "********"],
          [/\/ of the status server after failures/, "********"],
          [/\/metrics .*after failures/, "observability_agent_events_rejected_total"],
          [/\/events of/, "rejected"],
          [/state\.db/, "SQLite format 3"],
          [/output of dead-letters list$/, "********"],
          [/output of dead-letters show 1/, "********"],
          [/output of explain good.1002.8001/, "RUNNING"]
        ] as const) {
          assert.include(Outputs.text(outputs, where), what, String(where))
        }
      }).pipe(Effect.scoped),
    120_000
  )
})
