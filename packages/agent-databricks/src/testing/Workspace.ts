/**
 * What a fake workspace holds, and how it answers a request at a given time: the rules of the Jobs API, without any
 * transport. `FakeDatabricks` gives it a clock and its faces.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type * as Attempts from "./Attempts.ts"
import * as Access from "./Access.ts"
import * as Answer from "./Answer.ts"
import * as Details from "./Details.ts"
import type * as Fault from "./Fault.ts"
import * as Listing from "./Listing.ts"
import * as Plan from "./Plan.ts"
import type * as Scenario from "./Scenario.ts"
import type * as TaskBody from "./TaskBody.ts"

/** A workspace. */
export interface Options extends Access.Options {
  /** The jobs and their runs. Times are relative to the making of the fake. */
  readonly jobs?: ReadonlyArray<Scenario.Job>
  /** Its address, where page addresses of runs point. Default `https://fake.cloud.databricks.com`. */
  readonly host?: string
  /** How lists behave where that is open. */
  readonly list?: Listing.Options
  /** In which order tasks come, of which only the first 100 are on a page. Default: as they are declared. */
  readonly taskOrder?: "declared" | "arbitrary"
  /** How long after its start a run is deleted. Default 60 days. */
  readonly retention?: Duration.Input
  /** From how many requests in a second on it answers 429. Default: it never does. */
  readonly requestsPerSecond?: number
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
  /** Those that ask for this run, or for the run of one of its tasks. */
  readonly run?: string
  /** How long from now on it begins. Default: at once. */
  readonly after?: Duration.Input
  /** How long it lasts. Default: until `recover`. */
  readonly for?: Duration.Input
}

interface Disturbance {
  readonly fault: Fault.Fault
  readonly when: When
  readonly from: number
  readonly until: number
  left: number
}

/**
 * The state of a fake workspace. What it holds is changed in single steps, so it needs no guarding.
 */
export class Workspace {
  readonly host: string
  private readonly runs = new Map<string, Plan.Run>()
  private readonly byTask = new Map<string, Details.Found>()
  private readonly ids = new Plan.Ids()
  private readonly access: Access.Access
  private readonly listing: Listing.Listing
  private readonly options: Options
  private readonly retention: number
  private faults: ReadonlyArray<Disturbance> = []
  private allowance: { at: number; left: number } | undefined

  constructor(options: Options, now: number) {
    this.options = options
    this.host = options.host ?? "https://fake.cloud.databricks.com"
    this.access = new Access.Access(options, now)
    this.listing = new Listing.Listing(options.list ?? {})
    this.retention = Duration.toMillis(options.retention ?? "60 days")
    this.addJobs(options.jobs ?? [], now)
  }

  /** Adds jobs with their runs; gives the ids of these. */
  addJobs(jobs: ReadonlyArray<Scenario.Job>, base: number): ReadonlyArray<string> {
    const made = Plan.ofJobs(jobs, base, this.ids)
    this.hold(made)
    return made.map(({ id }) => id)
  }

  /** Adds a run of a job, and those that it brings about; gives its id. */
  add(job: string, spec: Scenario.Run, base: number): string {
    const made = Plan.ofRun({ name: job }, spec, { base, ids: this.ids })
    this.hold(made)
    return made[0].id
  }

  /** All runs there are and will be, in the order in which they were planned. */
  plan(): ReadonlyArray<Plan.Run> {
    return [...this.runs.values()]
  }

  remove(id: string) {
    this.runs.delete(id)
  }

  revoke() {
    this.access.revoke()
  }

  grant(token: string) {
    this.access.grant(token)
  }

  recover() {
    this.faults = []
  }

  disturb(fault: Fault.Fault, when: When, now: number) {
    const from = now + Duration.toMillis(when.after ?? 0)
    const until = from + Duration.toMillis(when.for ?? Duration.infinity)
    this.faults = [...this.faults, { fault, when, from, until, left: when.times ?? Number.POSITIVE_INFINITY }]
  }

  /** Which part of the API a request is for. */
  callOf(question: Answer.Question): Call {
    const found = PATHS.exec(question.path)?.[1]
    if (question.method === "GET" && found === "list") return "list"
    if (question.method === "GET" && found === "get") return "get"
    if (question.method === "GET" && found === "get-output") return "output"
    return Access.isTokenRequest(question, this.options) ? "token" : "other"
  }

  /** The fault that befalls a request; of several the oldest that fits. */
  strike(call: Call, question: Answer.Question, now: number): Fault.Fault | undefined {
    const found = this.faults.find(
      ({ from, left, until, when }) =>
        left > 0 &&
        from <= now &&
        now < until &&
        (when.call === undefined || when.call === call) &&
        (when.run === undefined || this.isAbout(question, when.run)) &&
        Object.entries(when.query ?? {}).every(([key, value]) => question.query[key] === value)
    )
    if (found !== undefined) found.left -= 1
    return found?.fault
  }

  answer(question: Answer.Question, now: number): Answer.Reply {
    const call = this.callOf(question)
    if (call === "token") return this.access.token(question, now)
    const document = this.access.document(question) ?? page(question)
    if (document !== undefined) return document
    const who = this.access.identify(question, now)
    if (Result.isFailure(who)) return who.failure
    if (call === "other") {
      return Answer.refuse(
        404,
        "ENDPOINT_NOT_FOUND",
        `No API found for '${question.method} ${question.path}'`
      )
    }
    if (!this.isAllowed(now)) return TOO_MANY
    const records: TaskBody.Options = {
      version: Answer.versionOf(question),
      host: this.host,
      taskOrder: this.options.taskOrder ?? "declared"
    }
    if (call === "list") {
      const isHere = (run: Plan.Run) =>
        this.runs.has(run.id) && this.isThere(run, now) && isVisible(run, who.success)
      return this.listing.answer(question, this.plan(), isHere, now, records)
    }
    const find: Details.Find = (id) => this.find(id, who.success, now)
    return call === "get"
      ? Details.get(question, find, now, records)
      : Details.output(question, find, now, records)
  }

  private hold(runs: ReadonlyArray<Plan.Run>) {
    for (const run of runs) {
      if (this.runs.has(run.id)) {
        throw new Error(`Scenario: job "${run.name}": there is a run ${run.id} already`)
      }
      this.runs.set(run.id, run)
      for (const attempt of Plan.attemptsOf(run)) this.byTask.set(attempt.runId, { run, attempt })
    }
  }

  /** Before a run was asked for nobody knows of it, and after a while it is deleted. */
  private isThere(run: Plan.Run, now: number): boolean {
    return run.submitted <= now && now < run.submitted + this.retention
  }

  private find(id: string, who: string, now: number): Result.Result<Details.Found, Answer.Reply> {
    const run = this.runs.get(id)
    const found: Details.Found | undefined = run === undefined ? this.byTask.get(id) : { run }
    if (
      found === undefined ||
      !this.runs.has(found.run.id) ||
      !this.isThere(found.run, now) ||
      !isShown(found.attempt, now)
    ) {
      return Result.fail(Answer.noSuchRun(id))
    }
    return isVisible(found.run, who)
      ? Result.succeed(found)
      : Result.fail(
          Answer.refuse(
            403,
            "PERMISSION_DENIED",
            `User ${who} does not have View or Admin or Manage Run or Owner permissions on job ${found.run.jobId}`
          )
        )
  }

  private isAbout({ query }: Answer.Question, run: string): boolean {
    const asked = query["run_id"]
    return asked !== undefined && (asked === run || this.byTask.get(asked)?.run.id === run)
  }

  /** A bucket that fills again as time goes by, and holds what may be asked in one second. */
  private isAllowed(now: number): boolean {
    const { requestsPerSecond: rate } = this.options
    if (rate === undefined) return true
    const { at, left } = this.allowance ?? { at: now, left: rate }
    const filled = Math.min(rate, left + ((now - at) / 1000) * rate)
    this.allowance = { at: now, left: filled >= 1 ? filled - 1 : filled }
    return filled >= 1
  }
}

// ---- private

const PATHS = /^\/api\/2\.[12]\/jobs\/runs\/(list|get|get-output)$/

const TOO_MANY: Answer.Reply = {
  ...Answer.refuse(
    429,
    "RESOURCE_EXHAUSTED",
    "Too many requests: the rate limit of this workspace is exceeded."
  ),
  headers: { "retry-after": "1" }
}

const isVisible = ({ visibleTo }: Plan.Run, who: string): boolean =>
  visibleTo === undefined || visibleTo.includes(who)

const isShown = (attempt: Attempts.Attempt | undefined, now: number): boolean =>
  attempt === undefined || attempt.shown <= now

/** Where a browser ends up that may not come in. */
const page = ({ path }: Answer.Question): Answer.Reply | undefined =>
  path === "/login.html"
    ? {
        status: 200,
        contentType: "text/html",
        body: "<!doctype html><html><head><title>Databricks - Sign In</title></head><body></body></html>"
      }
    : undefined
