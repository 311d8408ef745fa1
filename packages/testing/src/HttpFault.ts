/**
 * The ways in which an HTTP exchange goes wrong, whoever the server is: for `FaultyHttp`, which puts them around any client.
 *
 * The first group is shared with the fake Observability server, and stands in `ServerFault`: another answer, none, or a late
 * one. The second is about answers that come and cannot be used: they never end, break off, or drip. The third changes the
 * JSON of lists as it happens where a list moves while it is read page by page. Such an answer is well-formed: only an
 * agent that reads a span again, and knows a row by its identity, is not fooled.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Rows from "./Rows.ts"
import type { ServerFault } from "./ServerFault.ts"

export {
  afterWork,
  answer,
  badGateway,
  drop,
  empty,
  gatewayTimeout,
  nginxPage,
  overloaded,
  silence,
  slow,
  tooManyRequests
} from "./ServerFault.ts"

/** What goes wrong. */
export type HttpFault = ServerFault | BodyFault

/** What happens to the right answer on its way. */
export type BodyFault = Data.TaggedEnum<{
  /** Status, headers and so many bytes come, and the body never ends. */
  HalfOpen: { readonly bytes: number }
  /** So much of the body comes, in bytes or, below 1, as a share. Then the connection breaks, or the body just ends there. */
  Cut: { readonly at: number; readonly isNoticed: boolean }
  /** The body comes in pieces of so many bytes, one per span. */
  Trickle: { readonly bytes: number; readonly every: Duration.Duration }
  /** The JSON of the body is changed. What is no JSON is left as it is. */
  Changed: { readonly change: (body: unknown, around: Around) => unknown }
}>

/** What a change of JSON may look at. */
export interface Around {
  /** What was asked. */
  readonly url: URL
  /** The right answer to the request before, of those that this fault struck at the same address (the query aside). */
  readonly last: unknown
  /** A number from 0 to 1 (exclusive) by the seed. */
  readonly chance: () => number
}

const { Changed, Cut, HalfOpen, Trickle } = Data.taggedEnum<BodyFault>()

/**
 * The other side is gone without a word, after the headers and, if told so, some bytes of the body: a time-out that ends with the
 * headers waits for ever.
 */
export const halfOpen = (bytes = 0): HttpFault => HalfOpen({ bytes })

/** The connection breaks within the body: at so many bytes, or at this share of it (below 1). */
export const cut = (at = 0.5): HttpFault => Cut({ at, isNoticed: true })

/** The body ends too early as if it were whole: at so many bytes, or at this share of it (below 1). */
export const truncated = (at = 0.5): HttpFault => Cut({ at, isNoticed: false })

/** The body drips: so many bytes per span. */
export const trickle = (every: Duration.Input = "1 second", bytes = 1): HttpFault =>
  Trickle({ bytes, every: Duration.fromInputUnsafe(every) })

/**
 * The right answer with its JSON changed. An integer beyond 2^53 is what `JSON.rawJSON` makes of it: its digits, which are
 * written as they came.
 */
export const json = (change: (body: unknown, around: Around) => unknown): HttpFault => Changed({ change })

/** Each row comes twice, one after the other. */
export const duplicated = (rows: Rows.Rows): HttpFault =>
  json((body) => Rows.change(rows, body, (all) => all.flatMap((row) => [row, row])))

/** The rows come in any order, by the seed. */
export const shuffled = (rows: Rows.Rows): HttpFault =>
  json((body, { chance }) =>
    Rows.change(rows, body, (all) =>
      all
        .map((row) => ({ row, place: chance() }))
        .sort((a, b) => a.place - b.place)
        .map(({ row }) => row)
    )
  )

/** The first rows of the page are not there, as if they had not been written yet: of a list with the newest first. */
export const missing = (rows: Rows.Rows, count = 1): HttpFault =>
  json((body) => Rows.change(rows, body, (all) => all.slice(count)))

/**
 * A list moved between the requests for two of its pages. Strikes every page that is not the first, which `isNext` tells by
 * its address, such as `({ searchParams }) => searchParams.has("page_token")`:
 *
 * - `skips`: rows were removed before; so many rows stand on no page;
 * - `repeats`: rows came in before; the last rows of the page before come again.
 */
export const torn = (
  rows: Rows.Rows,
  options: {
    readonly isNext: (url: URL) => boolean
    readonly how: "skips" | "repeats"
    /** How many rows. Default: 1. */
    readonly count?: number | undefined
  }
): HttpFault =>
  json((body, { last, url }) => {
    const { count = 1, how, isNext } = options
    if (!isNext(url)) return body
    return Rows.change(rows, body, (all) =>
      how === "skips" ? all.slice(count) : [...Rows.of(rows, last).slice(-count), ...all]
    )
  })
