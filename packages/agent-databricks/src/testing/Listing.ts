/**
 * `runs/list` of a fake workspace: filters, order and pages.
 */
import * as Duration from "effect/Duration"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as JobsApi from "../JobsApi.ts"
import * as Answer from "./Answer.ts"
import * as Plan from "./Plan.ts"
import * as Bodies from "./Bodies.ts"
import type * as TaskBody from "./TaskBody.ts"

/** How lists behave where the documentation leaves it open, or says different things. */
export interface Options {
  /** Default: those that ended last first, and those that have not ended by their start; or the last started first. */
  readonly order?: "end" | "start"
  /** Default: pages go on with the runs as they stood at the first. Torn ones miss or repeat runs that moved meanwhile. */
  readonly pages?: "stable" | "torn"
  /** Before every page with runs comes so many without any, but with a token. Default 0. */
  readonly emptyPages?: number
  /** What stands for "no further page". Default: nothing at all. */
  readonly lastToken?: "absent" | "empty"
}

/** Arrays of a run come in pages of this size. */
export const PAGE_OF_TASKS = 100

/** The lists of one workspace, with the pages that are under way. */
export class Listing {
  private readonly options: Options
  private readonly begun = new Map<string, ReadonlyArray<Plan.Run>>()
  private last = 0

  constructor(options: Options) {
    this.options = options
  }

  /** Answers a request, given all runs and which of them there are for the asker. */
  answer(
    question: Answer.Question,
    runs: ReadonlyArray<Plan.Run>,
    isVisible: (run: Plan.Run) => boolean,
    now: number,
    records: TaskBody.Options
  ): Answer.Reply {
    const asked = JobsApi.decodeQuery(JobsApi.endpoints.list, question.query)
    if (Result.isFailure(asked)) return Answer.invalid(complaint(question, asked.failure))
    const query = asked.success
    const position = query.page_token === undefined ? START : fromToken(query.page_token)
    const fits = (run: Plan.Run) => matches(run, query, now) && isVisible(run)
    const order = position === undefined ? undefined : this.orderAt(position, () => runs.filter(fits), now)
    if (position === undefined || order === undefined) return Answer.invalid("page_token is not valid.")
    const limit = query.limit === undefined ? 20 : query.limit === 0 ? JobsApi.MAX_LIMIT : query.limit
    const { emptyPages = 0, lastToken = "absent" } = this.options
    const isEmpty = position.empty < emptyPages && position.skip < order.length
    const end = isEmpty ? position.skip : position.skip + limit
    const page = order
      .slice(position.skip + (query.offset ?? 0), end + (query.offset ?? 0))
      .filter(fits)
      .map((run) => listed(run, now, records, query.expand_tasks === true))
    const hasMore = end < order.length
    const listing = hasMore ? (position.listing === "" ? this.remember(order) : position.listing) : ""
    const next = { listing, skip: end, empty: isEmpty ? position.empty + 1 : 0 }
    return Answer.ok({
      ...(page.length === 0 ? {} : { runs: page }),
      ...(records.version === "2.1" ? { has_more: hasMore } : {}),
      ...(hasMore
        ? { next_page_token: toToken(next) }
        : lastToken === "empty"
          ? { next_page_token: "" }
          : {}),
      ...(position.skip === 0
        ? {}
        : { prev_page_token: toToken({ ...position, skip: Math.max(0, position.skip - limit) }) })
    })
  }

  private orderAt({ listing }: Position, found: () => ReadonlyArray<Plan.Run>, now: number) {
    return listing === "" || listing === TORN
      ? newestFirst(found(), this.options.order ?? "end", now)
      : this.begun.get(listing)
  }

  private remember(order: ReadonlyArray<Plan.Run>): string {
    if (this.options.pages === "torn") return TORN
    const name = String(++this.last)
    this.begun.set(name, order)
    for (const oldest of this.begun.keys()) {
      if (this.begun.size <= MAX_BEGUN) break
      this.begun.delete(oldest)
    }
    return name
  }
}

// ---- private

/** Lists that are begun and not ended would be kept for ever. */
const MAX_BEGUN = 100

/** The name of a list whose order is made anew for each page. */
const TORN = "torn"

interface Position {
  readonly listing: string
  readonly skip: number
  /** How many empty pages there were at this place. */
  readonly empty: number
}

const START: Position = { listing: "", skip: 0, empty: 0 }

/** Base64, so that it needs to be encoded in an address. */
const toToken = ({ empty, listing, skip }: Position): string =>
  Base64.encode(`runs:${listing}:${skip}:${empty}`)

/** A token that gives the first page of any list. */
export const FIRST_PAGE: string = toToken({ listing: TORN, skip: 0, empty: 0 })

const fromToken = (token: string): Position | undefined => {
  const text = Result.getOrElse(Base64.decodeString(token), () => "")
  const [, listing, skip, empty] = /^runs:(\w+):(\d+):(\d+)$/.exec(text) ?? []
  return listing === undefined ? undefined : { listing, skip: Number(skip), empty: Number(empty) }
}

/** What the service says of a limit that is too large; of all else the reading of the query tells it. */
const complaint = ({ query }: Answer.Question, otherwise: string): string =>
  Number(query["limit"]) > JobsApi.MAX_LIMIT
    ? `Limit must be between 0 and ${JobsApi.MAX_LIMIT}, but ${query["limit"]} was given.`
    : otherwise

/** Most runs of a long story are of another time, which is the cheapest to tell. */
const matches = (run: Plan.Run, query: JobsApi.ListQuery, now: number): boolean =>
  run.submitted <= now &&
  run.submitted >= (query.start_time_from ?? Number.NEGATIVE_INFINITY) &&
  run.submitted <= (query.start_time_to ?? Number.POSITIVE_INFINITY) &&
  (run.spec.listedAfter === undefined || run.submitted + Duration.toMillis(run.spec.listedAfter) <= now) &&
  (query.job_id === undefined || run.jobId === query.job_id) &&
  (query.run_type === undefined || (run.spec.type ?? "JOB_RUN") === query.run_type) &&
  (query.active_only !== true || Plan.isActive(run, now)) &&
  (query.completed_only !== true || !Plan.isActive(run, now))

const newestFirst = (
  runs: ReadonlyArray<Plan.Run>,
  order: "end" | "start",
  now: number
): ReadonlyArray<Plan.Run> =>
  runs
    .map((run) => ({ run, place: placeOf(run, order, now) }))
    .sort(
      (a, b) =>
        b.place - a.place ||
        b.run.submitted - a.run.submitted ||
        (a.run.id < b.run.id ? 1 : a.run.id > b.run.id ? -1 : 0)
    )
    .map(({ run }) => run)

const placeOf = (run: Plan.Run, order: "end" | "start", now: number): number => {
  const { over } = Plan.current(run, now)
  return order === "end" && over <= now ? over : run.submitted
}

const listed = (run: Plan.Run, now: number, options: TaskBody.Options, isExpanded: boolean) => {
  const { repair_history: _history, tasks, ...record } = Bodies.run(run, now, options)
  if (!isExpanded) return record
  return {
    ...record,
    tasks: tasks.slice(0, PAGE_OF_TASKS),
    // 2.1 leaves out the rest without a word.
    ...(tasks.length > PAGE_OF_TASKS && options.version !== "2.1" ? { has_more: true } : {})
  }
}
