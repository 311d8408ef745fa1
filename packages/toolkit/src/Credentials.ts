/**
 * How an agent proves to a tool who it is: the kinds of credentials, and the way from them to the `Authorization`
 * header of every request. Kinds that get their token from a token endpoint have it renewed ahead of its expiry, by
 * one request at a time however many wait for it.
 *
 * A client whose requests carry what the settings say:
 *
 * ```ts
 * import * as Credentials from "@observability-agents/toolkit/Credentials"
 * import * as CredentialsSettings from "@observability-agents/toolkit/CredentialsSettings"
 * import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
 * import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
 * import { Effect } from "effect"
 *
 * export const client = Effect.gen(function* () {
 *   const transport = yield* HttpTransport
 *   const plain = yield* transport.make(HttpSettings.defaults)
 *   const authorize = yield* Credentials.authorize(yield* CredentialsSettings.load(), { client: plain })
 *   return authorize(plain)
 * })
 * ```
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Redacted from "effect/Redacted"
import * as HttpAnswer from "./HttpAnswer.ts"
import * as HttpFailure from "./HttpFailure.ts"
import { CredentialsError, type Grant } from "./TokenEndpoint.ts"
import * as TokenSource from "./TokenSource.ts"

export { CredentialsError } from "./TokenEndpoint.ts"

/** A token that the user was given, e.g. a personal access token: sent as a bearer token. */
export interface ApiToken {
  readonly _tag: "ApiToken"
  readonly token: Redacted.Redacted
}

/** User name and password, sent by HTTP Basic. */
export interface UserPassword {
  readonly _tag: "UserPassword"
  readonly username: string
  readonly password: Redacted.Redacted
}

/** An OAuth client (client credentials grant, RFC 6749 §4.4) that identifies itself to `tokenUrl` by HTTP Basic. */
export interface OAuthClient {
  readonly _tag: "OAuthClient"
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  /** The token endpoint, e.g. `https://host/oidc/v1/token`. */
  readonly tokenUrl: string
  /** The scopes to ask for, separated by spaces; empty for the server's default. */
  readonly scope: string
}

/** An Entra (Azure AD) service principal: a client with a secret, at `{authority}/{tenantId}/oauth2/v2.0/token`. */
export interface AzureServicePrincipal {
  readonly _tag: "AzureServicePrincipal"
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  readonly tenantId: string
  /** The scope of the tool, e.g. `…/.default`. */
  readonly scope: string
  /** The sign-in host, e.g. `https://login.microsoftonline.com`. */
  readonly authority: string
}

/** An Entra (Azure AD) user with a password (the resource owner password grant), at the same endpoint. */
export interface AzureUserPassword {
  readonly _tag: "AzureUserPassword"
  readonly clientId: string
  readonly username: string
  readonly password: Redacted.Redacted
  readonly tenantId: string
  readonly scope: string
  readonly authority: string
}

/** All kinds of credentials. Secrets are redacted: printing credentials shows none. */
export type Credentials = ApiToken | UserPassword | OAuthClient | AzureServicePrincipal | AzureUserPassword

/** Constructors of the five kinds, e.g. `Credentials.ApiToken({ token })`. */
export const { ApiToken, UserPassword, OAuthClient, AzureServicePrincipal, AzureUserPassword } =
  Data.taggedEnum<Credentials>()

/** All kinds that get their tokens from a token endpoint. */
export type WithEndpoint = OAuthClient | AzureServicePrincipal | AzureUserPassword

/** What {@link authorize} may be told: above all the client that makes the requests to the token endpoint. */
export interface Options extends TokenSource.Options {
  /**
   * Finds the token endpoint of an OAuth client ahead of each question for a token, in place of `tokenUrl`, for servers that say
   * themselves where it is.
   */
  readonly endpoint?: Effect.Effect<string> | undefined
}

/**
 * Makes what puts credentials on a client's requests. The tokens live in the returned function: make it once, and put it
 * on every client that may share them. It asks for the first token when the first request needs one. Put it round a client
 * that has its policy already: `authorized(HttpPolicy.apply(settings)(client))`; under the policy, the time limit of the
 * tool's attempt would also cut off the wait for a token.
 *
 * An answer 401 to a token of a token endpoint gets that token renewed and the request repeated once; a second 401, and
 * any 401 to fixed credentials, is passed on. A request whose token cannot be had fails with a `TransportError` that has the
 * `CredentialsError` as cause (see {@link failureOf}).
 */
export const authorize = Effect.fnUntraced(function* (
  credentials: Credentials,
  options: Options
): Effect.fn.Return<(client: HttpClient.HttpClient) => HttpClient.HttpClient> {
  switch (credentials._tag) {
    case "ApiToken":
      return HttpClient.mapRequest(HttpClientRequest.bearerToken(credentials.token))
    case "UserPassword":
      return HttpClient.mapRequest(HttpClientRequest.basicAuth(credentials.username, credentials.password))
    default:
      return withTokens(yield* tokens(credentials, options))
  }
})

/** The tokens of credentials, for requests that carry them in another place than the header `Authorization`. */
export const tokens = (
  credentials: WithEndpoint,
  { endpoint, ...options }: Options
): Effect.Effect<TokenSource.TokenSource> => {
  const grant = grantOf(credentials)
  return TokenSource.make(
    endpoint === undefined || credentials._tag !== "OAuthClient"
      ? grant
      : Effect.map(endpoint, (url) => ({ ...grant, url })),
    options
  )
}

/** The failure of the token endpoint behind an error of a client made by {@link authorize}, if it was that. */
export const failureOf = (error: HttpClientError.HttpClientError): CredentialsError | undefined =>
  error.reason._tag === "TransportError" && error.reason.cause instanceof CredentialsError
    ? error.reason.cause
    : undefined

// ---- private parts

const grantOf = (credentials: WithEndpoint): Grant => {
  const { clientId, scope } = credentials
  const scoped = scope === "" ? {} : { scope }
  switch (credentials._tag) {
    case "OAuthClient":
      return {
        url: credentials.tokenUrl,
        basic: [clientId, credentials.clientSecret],
        form: { grant_type: "client_credentials", ...scoped },
        hint: "Check client_id, client_secret, token_url and scope."
      }
    case "AzureServicePrincipal":
      return {
        url: entraUrl(credentials),
        form: {
          grant_type: "client_credentials",
          client_id: clientId,
          client_secret: credentials.clientSecret,
          ...scoped
        },
        hint: "Check client_id, client_secret, tenant_id and scope."
      }
    case "AzureUserPassword":
      return {
        url: entraUrl(credentials),
        form: {
          grant_type: "password",
          client_id: clientId,
          username: credentials.username,
          password: credentials.password,
          ...scoped
        },
        hint: "Check client_id, username, password, tenant_id and scope."
      }
  }
}

const entraUrl = ({ authority, tenantId }: AzureServicePrincipal | AzureUserPassword): string =>
  `${authority.replace(/\/+$/, "")}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`

const withTokens = (source: TokenSource.TokenSource) => (client: HttpClient.HttpClient) =>
  HttpClient.makeWith(
    (request: Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError.HttpClientError>) =>
      Effect.flatMap(request, (request) => perform(source, client, request)),
    client.preprocess
  )

const perform = Effect.fnUntraced(function* (
  source: TokenSource.TokenSource,
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest
): Effect.fn.Return<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> {
  const send = (token: TokenSource.Token) =>
    client.postprocess(Effect.succeed(HttpClientRequest.bearerToken(request, token.value)))
  const onFailure = Effect.mapError((error: CredentialsError) =>
    HttpFailure.transport(request, error, error.message)
  )
  const token = yield* onFailure(source.get)
  const response = yield* send(token)
  // A body that is a stream has been used up.
  if (response.status !== 401 || request.body._tag === "Stream") return response
  yield* HttpAnswer.discard(response)
  const renewed = yield* onFailure(source.renew(token))
  return yield* send(renewed)
})
