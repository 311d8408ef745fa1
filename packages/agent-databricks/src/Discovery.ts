/**
 * Where a Databricks service principal gets its tokens: the workspace says so itself, in two documents, of which older
 * workspaces have one or none. As Databricks' own clients do, it is asked for both and may answer neither; then the
 * endpoint is where it has always been.
 *
 * `{host}/.well-known/databricks-config` names the sign-in service (`oidc_endpoint`, in which `{account_id}` may stand for
 * `account_id`); `{service}/.well-known/oauth-authorization-server` (RFC 8414) names its token endpoint.
 */
import * as HttpAnswer from "@observability-agents/toolkit/HttpAnswer"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as DatabricksAuth from "./DatabricksAuth.ts"
import * as Host from "./Host.ts"

/** Whose endpoint is looked for, and with what. */
export interface Options {
  /** The origin of the workspace. */
  readonly host: string
  /** The account's id, where the settings say it; it counts for more than what the workspace says. */
  readonly accountId?: string | undefined
  /** Makes the requests: a client without credentials and without policy. */
  readonly client: HttpClient.HttpClient
  /** How long one answer may take at most. */
  readonly readTimeout: Duration.Duration
}

/**
 * Makes the Effect that gives the token endpoint. What a workspace said is remembered for an hour, so that it costs nothing; a
 * failure is not remembered, and never fails: the usual endpoint takes its place.
 */
export const make = (options: Options): Effect.Effect<string> => {
  let known: { readonly url: string; readonly until: number } | undefined
  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (known !== undefined && now < known.until) return known.url
    const found = yield* discover(options)
    known = Option.isSome(found) ? { url: found.value, until: now + REMEMBERED } : undefined
    return Option.getOrElse(found, () => DatabricksAuth.tokenUrl(options.host))
  })
}

// ---- private

const REMEMBERED = 3_600_000

/** Neither document is more than a courtesy; a gateway that swallows the question must not hold up the token for long. */
const LONGEST = Duration.seconds(10)

const Config = Schema.fromJsonString(
  Schema.Struct({
    oidc_endpoint: Schema.optional(Schema.Unknown),
    account_id: Schema.optional(Schema.Unknown)
  })
)

const Metadata = Schema.fromJsonString(Schema.Struct({ token_endpoint: Schema.String }))

const discover = Effect.fnUntraced(function* (options: Options) {
  const config = yield* read(options, `${options.host}/.well-known/databricks-config`, Config)
  const { account_id, oidc_endpoint } = Option.getOrElse(config, () => ({
    account_id: undefined,
    oidc_endpoint: undefined
  }))
  const account = options.accountId ?? (typeof account_id === "string" ? account_id : undefined)
  const told =
    typeof oidc_endpoint === "string"
      ? oidc_endpoint.replaceAll("{account_id}", encodeURIComponent(account ?? ""))
      : undefined
  const service =
    (told !== undefined && isSafe(told, options.host) ? told.replace(/\/+$/, "") : undefined) ??
    (Host.isAccount(options.host) && account !== undefined
      ? `${options.host}/oidc/accounts/${encodeURIComponent(account)}`
      : `${options.host}/oidc`)
  const metadata = yield* read(options, `${service}/.well-known/oauth-authorization-server`, Metadata)
  return Option.filter(
    Option.map(metadata, ({ token_endpoint }) => token_endpoint),
    (url) => isSafe(url, options.host)
  )
})

/** Client id and secret are sent there: never by a way that is less safe than the one to the workspace. */
const isSafe = (url: string, host: string): boolean => {
  if (!URL.canParse(url) || url.includes("{")) return false
  const { password, protocol, username } = new URL(url)
  return (
    username === "" &&
    password === "" &&
    (protocol === "https:" || (protocol === "http:" && host.startsWith("http:")))
  )
}

/** A document; none where there is none that can be read, whatever the reason. */
const read = <A>(
  { client, readTimeout }: Options,
  url: string,
  schema: Schema.Codec<A, string>
): Effect.Effect<Option.Option<A>> => {
  const limit = Duration.min(readTimeout, LONGEST)
  return client.execute(HttpClientRequest.acceptJson(HttpClientRequest.get(url))).pipe(
    Effect.flatMap((response) =>
      response.status === 200
        ? Effect.map(HttpAnswer.text(response, limit), ({ text }) => Schema.decodeOption(schema)(text))
        : Effect.as(HttpAnswer.discard(response), Option.none<A>())
    ),
    Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.succeed(Option.none<A>()) }),
    Effect.orElseSucceed(() => Option.none<A>())
  )
}
