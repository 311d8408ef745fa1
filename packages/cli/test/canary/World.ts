/** What the agents of the canary test talk to: a workspace, a server and a collector behind mirrors, and what leads to them. */
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as NodeCollector from "@observability-agents/testing/NodeCollector"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Effect } from "effect"
import type { Canaries, Leak } from "./Canary.ts"
import * as Mirror from "./Mirror.ts"
import type { Tables } from "./Plants.ts"

/** Tells one and the same manner after the other. */
export const cycle = (manners: ReadonlyArray<Mirror.Manner>): ((path: string) => Mirror.Manner) => {
  const numbers = new Map<string, number>()
  return (path) => {
    // Heartbeats and events, lists and outputs each have a turn of their own.
    const kind = path.split(/[?]/, 1)[0]?.replace(/^.*\//, "") ?? ""
    const number = numbers.get(kind) ?? 0
    numbers.set(kind, number + 1)
    return manners[number % manners.length] ?? "pass"
  }
}

/** Every second request is answered as it should be. */
export const mixed: ReadonlyArray<Mirror.Manner> = Mirror.manners.flatMap(
  (manner) => ["pass", manner] as const
)

/** Makes them. */
export const make = Effect.fnUntraced(function* (canaries: Canaries) {
  const key = "[observability] service_account_key"
  const server = yield* NodeFakeObservability.make({ key: canaries.of(key) })
  const origin = new URL(server.baseUrl).origin
  const collector = yield* NodeCollector.make
  const stranger = yield* Mirror.make({ next: () => "words" })
  const mirrors: Array<{
    readonly name: string
    readonly mirror: Mirror.Mirror
    readonly allowed: ReadonlySet<string>
  }> = [{ name: "a stranger", mirror: stranger, allowed: new Set() }]
  const common = ["[http] params", "[http] auth, first", "[http] auth, second"]

  /** A workspace behind a mirror, that knows one token. */
  const workspace = Effect.fnUntraced(function* (
    name: string,
    token: string,
    next: Mirror.Options["next"],
    own: ReadonlyArray<string>,
    isPassing = true
  ) {
    const behind = isPassing
      ? yield* NodeFakeDatabricks.serve(yield* FakeDatabricks.make({ token, jobs }))
      : undefined
    const mirror = yield* Mirror.make({ next, behind, token, stranger: stranger.url })
    mirrors.push({ name: `workspace ${name}`, mirror, allowed: new Set([...common, ...own]) })
    return mirror
  })

  /** The server behind a mirror. */
  const observability = Effect.fnUntraced(function* (next: Mirror.Options["next"]) {
    const mirror = yield* Mirror.make({ next, behind: origin, stranger: stranger.url })
    const own = [key, "[observability] params", "[observability] auth, first", "[observability] auth, second"]
    mirrors.push({ name: "the server", mirror, allowed: new Set(own) })
    return mirror
  })

  /** What was sent to somebody that it is not meant for. */
  const sent = (): ReadonlyArray<Leak> => [
    ...mirrors.flatMap(({ allowed, mirror, name }) =>
      mirror.asked().flatMap((asked) => {
        const { body, headers, method, path } = asked
        const both = new Set([
          ...allowed,
          ...[...allowed].map((id) => `${id}, changed`),
          "[[databricks.workspaces]] token, changed"
        ])
        const all = canaries.find(`a request to ${name}`, JSON.stringify({ method, path, headers }), both)
        // What is posted to the server is no place for its own key either.
        const isPosted = name === "the server"
        return [...all, ...canaries.find(`a body sent to ${name}`, body, isPosted ? new Set() : allowed)]
      })
    ),
    ...collector
      .requests()
      .flatMap(({ body, headers, path }) => [
        ...canaries.find(`exported to ${path}`, body),
        ...canaries.find(
          `headers of the export to ${path}`,
          JSON.stringify(headers),
          new Set(["[telemetry] headers"])
        )
      ])
  ]

  return { server, collector, stranger, workspace, observability, sent, mirrors }
})

/** A world that was made. */
export type World = Effect.Success<ReturnType<typeof make>>

/** Settings that are no secrets, for an agent between these. */
export const settings = (workspace: Mirror.Mirror, server: Mirror.Mirror, others: Tables = {}): Tables => {
  const own: Tables = {
    core: {
      agent_type: "databricks",
      agent_key: "canary",
      log_level: "debug",
      state_path: "state.db",
      start_from: "1 hour",
      heartbeat_period: 1,
      health_grace: 1,
      unauthorized_retry_period: 1,
      send_retry_maximum: 1,
      shutdown_timeout: 1
    },
    observability: { base_url: `${server.url}/api`, retries: 0, read_timeout: 5 },
    http: { retries: 0, read_timeout: 5 },
    databricks: { host: workspace.url, period: 0.2 },
    status: { stale_after: 1 },
    credentials: { kind: "api_token" },
    auth_username_password: { agent_username: "observer" },
    auth_oauth: { client_id: "client" },
    auth_azure_spn: { client_id: "client", tenant_id: "tenant", authority: workspace.url },
    auth_azure_basic_oauth: {
      client_id: "client",
      tenant_id: "tenant",
      username: "observer",
      authority: workspace.url
    }
  }
  return {
    ...own,
    ...Object.fromEntries(Object.entries(others).map(([table, keys]) => [table, { ...own[table], ...keys }]))
  }
}

// Enough of everything that an agent tells, and tasks whose output has to be asked for.
const jobs: NonNullable<FakeDatabricks.Options["jobs"]> = [
  {
    name: "nightly",
    id: "1001",
    runs: Array.from({ length: 12 }, (_, index) => ({
      id: `${7001 + index}`,
      ago: `${2 + index} minutes` as const,
      tasks: [
        { key: "extract", takes: "20 seconds" },
        index % 3 === 0
          ? { key: "load", fails: "Out of memory", trace: "at load" }
          : { key: "load", takes: "1 minute" }
      ]
    }))
  },
  {
    name: "long",
    id: "1002",
    runs: [{ id: "8001", ago: "1 minute", tasks: [{ key: "wait", takes: "1 hour" }] }]
  }
]
