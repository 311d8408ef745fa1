/**
 * The Handle to the press's list of orders: `GET /orders?since=…`, which answers with all orders that are still in work or
 * have changed since.
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
import { PressError, unknownToken } from "./PressError.ts"
import { PressSettings } from "./PressSettings.ts"
import * as Run from "./Run.ts"

/** The orders of a press. */
export class PressList extends Context.Service<
  PressList,
  {
    /** The orders that are still in work, and those that have changed since. */
    readonly orders: (since: DateTime.Utc) => Effect.Effect<ReadonlyArray<Run.Order>, PressError>
  }
>()("@observability-agents/agent-example/PressList") {
  /** The press of the settings. */
  static readonly layer: Layer.Layer<PressList, Config.ConfigError, HttpTransport> = Layer.effect(
    PressList,
    Effect.gen(function* () {
      const http = yield* HttpSettings.config
      const { token, url } = yield* PressSettings.config
      const transport = yield* HttpTransport
      const client = HttpPolicy.apply(http)(yield* transport.make(http)).pipe(HttpClient.filterStatusOk)
      const orders = Effect.fn("PressList.orders")(function* (since: DateTime.Utc) {
        const request = HttpClientRequest.get(`${url}/orders`).pipe(
          HttpClientRequest.bearerToken(token),
          HttpClientRequest.setUrlParam("since", DateTime.formatIso(since))
        )
        return yield* client.execute(request).pipe(
          // The policy bounds the wait for an answer to begin; this one, for it to come to its end.
          Effect.flatMap((response) =>
            Effect.timeout(
              HttpClientResponse.schemaBodyJson(Schema.Array(Run.Order))(response),
              http.readTimeout
            )
          ),
          Effect.mapError((error) => explain(url, error))
        )
      })
      return PressList.of({ orders })
    })
  )
}

const explain = (
  url: string,
  error: HttpClientError.HttpClientError | Schema.SchemaError | Cause.TimeoutError
): PressError => {
  if (error._tag === "TimeoutError")
    return new PressError({
      reason: "Silent",
      message: `The press at ${url} begins to answer and does not come to an end (\`read_timeout\` of [http]).`
    })
  if (error._tag === "SchemaError")
    return new PressError({
      reason: "Closed",
      message: `The press at ${url} answers with something that is no list of orders: ${error.message}`
    })
  if (error.response?.status === 401) return unknownToken(url)
  return new PressError({
    reason: "Unreachable",
    message: `The orders of the press at ${url} cannot be read: ${error.message}. Check \`url\` of [press].`
  })
}
