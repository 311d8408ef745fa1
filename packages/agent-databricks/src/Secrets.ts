/**
 * What Databricks is sent and people must not see: it, or a gateway before it, may repeat in an answer what it was sent.
 * Besides the secrets of the settings these are the tokens that are fetched while the agent runs.
 */
import type * as Credentials from "@observability-agents/toolkit/Credentials"
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import type { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Redacted from "effect/Redacted"

/** The secrets of one workspace. */
export interface Secrets {
  /**
   * A client that keeps in mind which credentials its requests carry. Put it below what adds these. A request whose
   * credentials no HTTP header can carry fails for good, without being sent.
   */
  readonly watch: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  /** A text with every secret in it masked. Mask first, then cut. */
  readonly hide: (text: string) => string
}

/** Those that are known from the settings. */
export const make = (fixed: Iterable<string> = []): Secrets => {
  const known = new Set(fixed)
  const sent = new Set<string>()
  return {
    watch: (client) =>
      HttpClient.transform(client, (send, request) => {
        for (const name of HEADERS) {
          const header = request.headers[name]
          if (header === undefined) continue
          if (!isSendable(header)) return Effect.fail(HttpFailure.transport(request, unsendable))
          // The one in use counts as the newest.
          sent.delete(header)
          sent.add(header)
        }
        for (const oldest of sent) {
          if (sent.size <= REMEMBERED) break
          sent.delete(oldest)
        }
        return send
      }),
    hide: (text) =>
      Secrecy.hideAuthorization(
        Secrecy.hide(text, [...known, ...Array.from(sent, (header) => header.replace(/^\w+\s+/, ""))])
      )
  }
}

/** The secrets in the settings of a connection. */
export const ofSettings = (
  credentials: Credentials.Credentials,
  http: Pick<HttpSettings, "params" | "auth">
): ReadonlyArray<string> => [
  ...ofCredentials(credentials),
  ...Object.values(http.params).map(Redacted.value),
  ...(http.auth === undefined ? [] : pair(Redacted.value(http.auth[0]), http.auth[1])),
  // Some services take a key for the user name.
  ...(http.auth === undefined ? [] : [Redacted.value(http.auth[0])])
]

/** Whether a header can carry this text as it is. */
export const isSendable = (text: string): boolean => /^[\x20-\x7e]*$/.test(text)

/** What is wrong with a token for which {@link isSendable} does not hold. */
export const UNSENDABLE =
  "it holds characters that no HTTP header can carry (a line break, an accent, …); copy the token again"

/** Whether a failure of a connection is the one of a token that cannot be sent. */
export const isUnsendable = (cause: unknown): cause is HttpFailure.UnusableSetting => cause === unsendable

// ---- private

const unsendable = new HttpFailure.UnusableSetting({ setting: "The access token", words: `${UNSENDABLE}.` })

/** The headers that carry credentials to Databricks: the second with the role of an Azure service principal. */
const HEADERS = ["authorization", "x-databricks-azure-sp-management-token"] as const

/** Tokens remembered: the one in use, and those before it of which a late answer may speak. */
const REMEMBERED = 8

const ofCredentials = (credentials: Credentials.Credentials): ReadonlyArray<string> => {
  switch (credentials._tag) {
    case "ApiToken":
      return [Redacted.value(credentials.token)]
    case "UserPassword":
      return pair(credentials.username, credentials.password)
    case "OAuthClient":
    case "AzureServicePrincipal":
      return pair(credentials.clientId, credentials.clientSecret)
    case "AzureUserPassword":
      return pair(credentials.username, credentials.password)
  }
}

/** A password, and what HTTP Basic makes of it: for OAuth, both parts are form-encoded first. */
const pair = (user: string, password: Redacted.Redacted): ReadonlyArray<string> => {
  const secret = Redacted.value(password)
  return [secret, `${user}:${secret}`, `${Secrecy.formEncoded(user)}:${Secrecy.formEncoded(secret)}`]
}
