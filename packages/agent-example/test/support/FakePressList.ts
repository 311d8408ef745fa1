/** The press for tests: its list of orders, answered within the process. Orders begin and end by the Clock. */
import { Context, DateTime, type Duration, Effect, Layer, Schema } from "effect"
import { HttpClient, HttpServerResponse } from "effect/http"
import * as Run from "../../src/Run.ts"
import { done, printing, told } from "./orders.ts"

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.Array(Run.Order)))

/** Makes a press that answers `/orders` to whoever has the token `a-token`. */
export const make = Effect.sync(() => {
  const orders: Array<{ readonly id: string; readonly begins: DateTime.Utc; readonly ends: DateTime.Utc }> =
    []
  let answers: "as it should" | "503" | "401" = "as it should"

  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const now = yield* DateTime.now
      const since = DateTime.makeUnsafe(url.searchParams.get("since") ?? 0)
      const list = orders
        .filter(({ begins, ends }) => begins <= now && (ends > now || ends >= since))
        .map(({ begins, ends, id }) =>
          ends > now
            ? printing(id, begins)
            : done(id, begins, (ends.epochMilliseconds - begins.epochMilliseconds) / 1000)
        )
      const isKnown = answers !== "401" && request.headers["authorization"] === "Bearer a-token"
      const response = !isKnown
        ? HttpServerResponse.empty({ status: 401 })
        : answers === "503"
          ? HttpServerResponse.empty({ status: 503 })
          : HttpServerResponse.text(encode(list), { contentType: "application/json" })
      return HttpServerResponse.toClientResponse(response, { request })
    })
  )
  const answer = (next: typeof answers) =>
    Effect.sync(() => {
      answers = next
    })
  return {
    client,
    /** An order is printed, after this time, and for so long. */
    print: (
      id: string,
      { after = 0, takes }: { readonly after?: Duration.Input; readonly takes: Duration.Input }
    ) =>
      Effect.map(DateTime.now, (now) => {
        const begins = DateTime.addDuration(now, after)
        orders.push({ id, begins, ends: DateTime.addDuration(begins, takes) })
      }),
    /** It answers with 503, or with 401 as to one whose token it does not know. */
    goDown: answer("503"),
    forgetUs: answer("401"),
    recover: answer("as it should"),
    /** What has to be told of the orders, as `AgentSuite` names it. */
    expected: Effect.sync(() =>
      orders.flatMap(({ begins, ends, id }) =>
        told.map((title) => ({
          identity: `pipeline:brochure/${id} ${title}`,
          at: (title.endsWith("RUNNING") ? begins : ends).epochMilliseconds
        }))
      )
    )
  }
})

/** The press of a simulation. */
export class FakePressList extends Context.Service<FakePressList, Effect.Success<typeof make>>()(
  "FakePressList"
) {
  static readonly layer = Layer.effect(FakePressList, make)
}
