/**
 * What a fake workspace holds, and how it answers a request at a given time: the rules of the Jobs API, without any
 * transport. {@link FakeDatabricks} gives it a clock and its faces.
 */
import * as Duration from "effect/Duration"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import type * as Fault from "./Fault.ts"
import * as Scenario from "./Scenario.ts"

/** A workspace. */
export interface Options {
  /** The jobs and their runs. Times are relative to the making of the fake. */
  readonly jobs?: ReadonlyArray<Scenario.Job>
  /** The personal access token it accepts. Default `dapi-fake`. */
  readonly token?: string
  /** A service principal that may fetch tokens. */
  readonly oauth?: {
    readonly clientId: string
    readonly clientSecret: string
    /** How long a token it gives is good for. Default one hour. */
    readonly lifetime?: Duration.Input
  }
  /** Where page addresses of runs point. Default `https://fake.cloud.databricks.com`. */
  readonly host?: string
}

/** Which part of the API a request was for. */
export type Call = "list" | "get" | "output" | "token" | "other"

/** Which requests a fault befalls. */
export interface When {
  /** How many, then it is over. Default: all, until `recover`. */
  readonly times?: number
  readonly call?: Call
  /** Those whose query has these values. */
  readonly query?: Readonly<Record<string, string>>
}

/** A request, taken apart. */
export interface Question {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly authorization: string | undefined
  readonly body: string
}

/** Which part of the API a request is for. */
export const callOf = (question: Question): Call => {
  const path = question.path
  if (/^\/api\/2\.[12]\/jobs\/runs\/list$/.test(path)) return "list"
  if (/^\/api\/2\.[12]\/jobs\/runs\/get$/.test(path)) return "get"
  if (/^\/api\/2\.[12]\/jobs\/runs\/get-output$/.test(path)) return "output"
  return question.method === "POST" && /\/(?:oidc\/v1|oauth2\/v2\.0|oauth2)\/token$/.test(path)
    ? "token"
    : "other"
}

/**
 * The state of a fake workspace. What it holds is changed in single steps, so it needs no guarding.
 */
export class Workspace {
  private readonly jobs = new Map<string, { readonly id: string; readonly name: string }>()
  private readonly runs = new Map<string, Scenario.PlannedRun>()
  private readonly tokens = new Map<string, number>()
  private faults: Array<{ readonly fault: Fault.Fault; readonly when: When; left: number }> = []
  private lastJob = 1000
  private lastRun = 500_000
  private lastTask = 700_000
  private lastToken = 0
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
    this.tokens.set(options.token ?? "dapi-fake", Number.POSITIVE_INFINITY)
  }

  job(name: string, id?: string) {
    const known = this.jobs.get(name) ?? { id: id ?? String(++this.lastJob), name }
    this.jobs.set(name, known)
    return known
  }

  add(job: string, spec: Scenario.Run, base: number): string {
    const id = spec.id ?? String(++this.lastRun)
    const nextId = () => String(++this.lastTask)
    this.runs.set(id, Scenario.plan({ job: this.job(job), id, spec, base, nextId }))
    return id
  }

  remove(id: string) {
    this.runs.delete(id)
  }

  revoke() {
    this.tokens.clear()
  }

  recover() {
    this.faults = []
  }

  disturb(fault: Fault.Fault, when: When) {
    this.faults.push({ fault, when, left: when.times ?? Number.POSITIVE_INFINITY })
  }

  strike(call: Call, question: Question): Fault.Fault | undefined {
    const found = this.faults.find(
      ({ when, left }) =>
        left > 0 &&
        (when.call === undefined || when.call === call) &&
        Object.entries(when.query ?? {}).every(([key, value]) => question.query[key] === value)
    )
    if (found !== undefined) found.left -= 1
    return found?.fault
  }

  answer(question: Question, now: number): Fault.Reply {
    const call = callOf(question)
    if (call === "token") return this.token(question, now)
    const denied = this.denied(question.authorization, now)
    if (denied !== undefined) return denied
    if (call === "other" || question.method !== "GET") {
      return refuse(404, "ENDPOINT_NOT_FOUND", `No API found for '${question.method} ${question.path}'`)
    }
    switch (call) {
      case "list":
        return this.list(question, now)
      case "get":
        return this.get(question, now)
      case "output":
        return this.output(question, now)
    }
  }

  private token({ authorization, body }: Question, now: number): Fault.Reply {
    const form = new URLSearchParams(body)
    const [user, secret] = basic(authorization) ?? [form.get("client_id"), form.get("client_secret")]
    const { oauth } = this.options
    if (oauth === undefined || user !== oauth.clientId || secret !== oauth.clientSecret) {
      return reply(401, { error: "invalid_client", error_description: "Client authentication failed" })
    }
    if (form.get("grant_type") !== "client_credentials" || (form.get("scope") ?? "") === "") {
      return reply(400, {
        error: "invalid_request",
        error_description: "grant_type or scope is missing or wrong"
      })
    }
    const lifetime = Duration.toMillis(oauth.lifetime ?? "1 hour")
    const token = `oauth-${++this.lastToken}`
    this.tokens.set(token, now + lifetime)
    // The number comes as text, as it does in places.
    return reply(200, {
      access_token: token,
      token_type: "Bearer",
      expires_in: String(Math.floor(lifetime / 1000))
    })
  }

  private denied(authorization: string | undefined, now: number): Fault.Reply | undefined {
    const token = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1]
    if (token === undefined) {
      return refuse(401, "UNAUTHENTICATED", "No credential of a supported kind was sent.")
    }
    return (this.tokens.get(token) ?? 0) > now ? undefined : refuse(403, 403, "Invalid access token.")
  }

  private list({ path, query }: Question, now: number): Fault.Reply {
    const flag = (name: string) => query[name] === "true"
    const limit = Number(query["limit"] ?? "20")
    if (!Number.isInteger(limit) || limit < 0 || limit > MAX_LIMIT) {
      return invalid(`limit must be between 0 and ${MAX_LIMIT}`)
    }
    if (Number(query["offset"] ?? "0") > 10_000) return invalid("offset is too large; use page_token")
    if (flag("active_only") && flag("completed_only")) {
      return invalid("active_only and completed_only exclude each other")
    }
    for (const name of ["start_time_from", "start_time_to"]) {
      const value = query[name]
      if (value !== undefined && !isMoment(value)) return invalid(`${name} must be a time in milliseconds`)
    }
    const from = Number(query["start_time_from"] ?? Number.NEGATIVE_INFINITY)
    const to = Number(query["start_time_to"] ?? Number.POSITIVE_INFINITY)
    const position = query["page_token"] === undefined ? undefined : fromToken(query["page_token"])
    if (query["page_token"] !== undefined && position === undefined) return invalid("page_token is not valid")
    const version = versionOf(path)
    const found = [...this.runs.values()]
      .filter(
        (run) =>
          Scenario.isListed(run, now) &&
          (query["job_id"] === undefined || run.jobId === query["job_id"]) &&
          (query["run_type"] === undefined || (run.spec.type ?? "JOB_RUN") === query["run_type"]) &&
          (!flag("active_only") || Scenario.isActive(run, now)) &&
          (!flag("completed_only") || !Scenario.isActive(run, now)) &&
          run.submitted >= from &&
          run.submitted <= to
      )
      .sort(newestFirst)
    const rest = position === undefined ? found : found.filter((run) => newestFirst(position, run) < 0)
    const page = rest.slice(0, limit === 0 ? MAX_LIMIT : limit)
    const last = page.at(-1)
    const more = page.length < rest.length
    return {
      status: 200,
      contentType: "application/json",
      body: Scenario.stringify({
        ...(page.length === 0
          ? {}
          : { runs: page.map((run) => this.listed(run, now, version, flag("expand_tasks"))) }),
        ...(version === "2.1" ? { has_more: more } : {}),
        ...(more && last !== undefined ? { next_page_token: toToken(last) } : {}),
        ...(position === undefined ? {} : { prev_page_token: toToken(position) })
      })
    }
  }

  private listed(run: Scenario.PlannedRun, now: number, version: string, expand: boolean) {
    const { tasks, repair_history: _history, ...body } = this.body(run, now, version)
    if (!expand || !Array.isArray(tasks)) return body
    return {
      ...body,
      tasks: tasks.slice(0, PAGE_OF_TASKS),
      // 2.1 leaves out the rest without a word.
      ...(tasks.length > PAGE_OF_TASKS && version !== "2.1" ? { has_more: true } : {})
    }
  }

  private get({ path, query }: Question, now: number): Fault.Reply {
    const found = this.find(query["run_id"], now)
    if (found === undefined) return invalid(`Run ${query["run_id"]} does not exist.`)
    const version = versionOf(path)
    const { tasks, repair_history, ...body } = this.body(found.run, now, version)
    const all = Array.isArray(tasks) ? tasks : undefined
    const skip = query["page_token"] === undefined ? 0 : Number(fromTaskToken(query["page_token"]))
    if (!Number.isInteger(skip) || skip < 0) return invalid("page_token is not valid")
    const more = all !== undefined && all.length > skip + PAGE_OF_TASKS && version !== "2.1"
    return {
      status: 200,
      contentType: "application/json",
      body: Scenario.stringify({
        ...body,
        ...(all === undefined ? { tasks } : { tasks: all.slice(skip, skip + PAGE_OF_TASKS) }),
        ...(query["include_history"] === "true" && skip === 0 ? { repair_history } : {}),
        ...(more ? { next_page_token: Base64.encode(`tasks:${skip + PAGE_OF_TASKS}`) } : {})
      })
    }
  }

  private output({ query }: Question, now: number): Fault.Reply {
    const found = this.find(query["run_id"], now)
    if (found === undefined) return invalid(`Run ${query["run_id"]} does not exist.`)
    const attempts = found.run.rounds.flatMap(({ attempts }) => attempts)
    const one = found.attempt ?? (attempts.length === 1 ? attempts[0] : undefined)
    if (one === undefined) {
      return invalid(
        "A run with several tasks has no output of its own; ask for the output of each task's run."
      )
    }
    const told = now >= one.end && one.outcome === "FAILED"
    return {
      status: 200,
      contentType: "application/json",
      body: Scenario.stringify({
        metadata: { run_id: Scenario.id(one.runId), task_key: one.key },
        ...(told && one.error !== undefined ? { error: one.error } : {}),
        ...(told && one.trace !== undefined ? { error_trace: one.trace } : {})
      })
    }
  }

  private find(id: string | undefined, now: number) {
    for (const run of this.runs.values()) {
      const found = id === undefined || !Scenario.exists(run, now) ? undefined : Scenario.find(run, id)
      if (found !== undefined) return { run, attempt: "attempt" in found ? found : undefined }
    }
    return undefined
  }

  private body(run: Scenario.PlannedRun, now: number, version: string): Record<string, unknown> {
    return Scenario.bodyAt(run, now, {
      version,
      host: this.options.host ?? "https://fake.cloud.databricks.com"
    })
  }
}

/** More is refused; the documentation and the service differ by one. */
const MAX_LIMIT = 25

/** Whether it is a non-negative whole number that fits into 64 bits. */
const isMoment = (text: string): boolean => /^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n

/** Arrays of a run come in pages of this size. */
const PAGE_OF_TASKS = 100

type Position = Pick<Scenario.PlannedRun, "submitted" | "id">

const newestFirst = (a: Position, b: Position): number =>
  b.submitted - a.submitted || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0)

/** Base64, so that it needs to be encoded in an address. */
const toToken = (run: Position): string => Base64.encode(`runs:${run.submitted}:${run.id}`)

const fromToken = (token: string): Position | undefined => {
  const [kind, submitted, id] = decoded(token).split(":")
  return kind === "runs" && submitted !== undefined && id !== undefined
    ? { submitted: Number(submitted), id }
    : undefined
}

const fromTaskToken = (token: string): string => {
  const [kind, skip] = decoded(token).split(":")
  return kind === "tasks" && skip !== undefined ? skip : "-1"
}

const decoded = (token: string): string => Result.getOrElse(Base64.decodeString(token), () => "")

const basic = (authorization: string | undefined): readonly [string, string] | undefined => {
  const encoded = /^Basic (.+)$/i.exec(authorization ?? "")?.[1]
  const text = encoded === undefined ? "" : decoded(encoded)
  const colon = text.indexOf(":")
  return colon < 0
    ? undefined
    : [decodeURIComponent(text.slice(0, colon)), decodeURIComponent(text.slice(colon + 1))]
}

const versionOf = (path: string): string => path.split("/")[2] ?? "2.2"

const reply = (status: number, body: unknown): Fault.Reply => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(body)
})

const refuse = (status: number, error_code: string | number, message: string): Fault.Reply =>
  reply(status, { error_code, message })

const invalid = (message: string): Fault.Reply => refuse(400, "INVALID_PARAMETER_VALUE", message)
