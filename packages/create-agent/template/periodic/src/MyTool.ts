/**
 * The Handle to the tool: what the agent can ask it, and what may go wrong, in words for people.
 *
 * YOUR TOOL: this is its API as the agent sees it, here `GET /runs?since=…`, which answers, page by page, with all runs that
 * are not over yet or have changed since. Time-outs, retries, limits, proxies and certificates are the affair of
 * `HttpPolicy` and `HttpTransport`, by the settings of `[http]`.
 */
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import type * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { MyToolSettings } from "./MyToolSettings.ts"
import * as Run from "./Run.ts"

/** The tool cannot be read at the moment. `message` says why, and what to do where somebody can do something. */
export class MyToolError extends Schema.TaggedError<MyToolError>()("MyToolError", {
  reason: Schema.Literals(["Unreachable", "Unauthorized", "Unreadable"]),
  message: Schema.String
}) {}

/** One answer: some runs, and whether there is a next page. */
export const Page = Schema.Struct({ runs: Schema.Array(Run.Run), next: Schema.Boolean })

/** The type of {@link Page}. */
export type Page = typeof Page.Type

/** The runs of the tool. */
export class MyTool extends Context.Service<
  MyTool,
  {
    /** A page, the first being 1, of the runs that are not over yet and of those that have changed since. */
    readonly runs: (since: DateTime.Utc, page: number) => Effect.Effect<Page, MyToolError>
  }
>()("@my-scope/my-tool/MyTool") {
  /** The tool of the settings. */
  static readonly layer: Layer.Layer<MyTool, Config.ConfigError, HttpTransport> = Layer.effect(
    MyTool,
    Effect.gen(function* () {
      const http = yield* HttpSettings.config
      const { token, url } = yield* MyToolSettings.config
      const transport = yield* HttpTransport
      const client = (yield* transport.make(http)).pipe(HttpPolicy.apply(http), HttpClient.filterStatusOk)

      const runs = Effect.fn("MyTool.runs")(function* (since: DateTime.Utc, page: number) {
        const request = HttpClientRequest.get(`${url.replace(/\/+$/, "")}/runs`).pipe(
          HttpClientRequest.bearerToken(token),
          HttpClientRequest.setUrlParams({ since: DateTime.formatIso(since), page })
        )
        return yield* client.execute(request).pipe(
          Effect.flatMap((response) =>
            // The client's own limit is for the beginning of an answer. It may begin, and never end.
            Effect.timeout(HttpClientResponse.schemaBodyJson(Page)(response), http.readTimeout)
          ),
          Effect.mapError((error) => explain(url, error))
        )
      })
      return MyTool.of({ runs })
    })
  )
}

// ---- private parts

const explain = (
  url: string,
  error: HttpClientError.HttpClientError | Schema.SchemaError | Cause.TimeoutError
): MyToolError => {
  if (error._tag === "TimeoutError")
    return new MyToolError({
      reason: "Unreachable",
      message: `My Tool at ${url} begins to answer and does not come to an end (\`read_timeout\` of [http]).`
    })
  if (error._tag === "SchemaError")
    return new MyToolError({
      reason: "Unreadable",
      message: `My Tool at ${url} answers with something that is no list of runs: ${error.message}`
    })
  if (error.response?.status === 401 || error.response?.status === 403)
    return new MyToolError({
      reason: "Unauthorized",
      message: `My Tool at ${url} does not let us in (${error.response.status}). Check \`token\` of [my_tool].`
    })
  return new MyToolError({
    reason: "Unreachable",
    message: `The runs of My Tool at ${url} cannot be read: ${error.message}. Check \`url\` of [my_tool].`
  })
}
