/**
 * The way from a workspace's credentials to the headers of its requests: what the toolkit does for every tool, and what is
 * particular to Databricks. That is the token endpoint, which the workspace names itself ({@link Discovery}), and the second
 * token with which an Entra service principal that is no user of the workspace shows its role on the Azure resource.
 */
import * as Credentials from "@observability-agents/toolkit/Credentials"
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import { defaults } from "@observability-agents/toolkit/HttpSettings"
import type * as TokenSource from "@observability-agents/toolkit/TokenSource"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import * as DatabricksAuth from "./DatabricksAuth.ts"
import * as Discovery from "./Discovery.ts"
import type { Workspace } from "./Workspaces.ts"

/** What is needed of a workspace. */
export type Target = Pick<Workspace, "host" | "credentials"> &
  Partial<Pick<Workspace, "accountId" | "azureWorkspaceResourceId">>

/**
 * Makes what puts the workspace's credentials on a client's requests; see `Credentials.authorize`. It asks for nothing before the
 * first request, so that a sign-in service that is down does not keep an agent from starting.
 */
export const make = Effect.fnUntraced(function* (
  workspace: Target,
  options: TokenSource.Options
): Effect.fn.Return<(client: HttpClient.HttpClient) => HttpClient.HttpClient> {
  const { accountId, azureWorkspaceResourceId, credentials, host } = workspace
  const endpoint =
    credentials._tag === "OAuthClient" && credentials.tokenUrl === DatabricksAuth.tokenUrl(host)
      ? Discovery.make({
          host,
          accountId,
          client: options.client,
          readTimeout: (options.settings ?? defaults).readTimeout
        })
      : undefined
  const authorized = yield* Credentials.authorize(credentials, { ...options, endpoint })
  if (credentials._tag !== "AzureServicePrincipal" || azureWorkspaceResourceId === undefined)
    return authorized
  const management = yield* Credentials.tokens(
    { ...credentials, scope: managementScope(credentials.authority) },
    options
  )
  const withRole = HttpClient.mapRequestEffect((request: HttpClientRequest.HttpClientRequest) =>
    management.get.pipe(
      Effect.map(({ value }) =>
        HttpClientRequest.setHeaders(request, {
          [MANAGEMENT_HEADER]: Redacted.value(value),
          "x-databricks-azure-workspace-resource-id": azureWorkspaceResourceId
        })
      ),
      Effect.mapError((error) => HttpFailure.transport(request, error, error.message))
    )
  )
  return (client) => withRole(HttpClient.transformResponse(authorized(client), hideInTraces))
})

/** The header with the second token: to be masked like the first. */
export const MANAGEMENT_HEADER = "x-databricks-azure-sp-management-token"

// ---- private

const hideInTraces = Effect.updateService(
  Headers.CurrentRedactedNames,
  (names: ReadonlyArray<string | RegExp>) => [...names, MANAGEMENT_HEADER]
)

/** The scope of Azure's management service; the second slash belongs to the name of the resource. */
const managementScope = (authority: string): string => {
  switch (authority.replace(/\/+$/, "")) {
    case "https://login.microsoftonline.us":
      return "https://management.core.usgovcloudapi.net//.default"
    case "https://login.chinacloudapi.cn":
      return "https://management.core.chinacloudapi.cn//.default"
    default:
      return "https://management.core.windows.net//.default"
  }
}
