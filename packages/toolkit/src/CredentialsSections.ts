/**
 * The sections of settings of the kinds of credentials, one for each kind. The names are those of the older framework; both
 * Azure kinds share variables there (`DK_AZURE_CLIENT_ID` and others).
 */
import * as Settings from "./Settings.ts"

/** The kinds by the names that `[credentials] kind` knows. */
export type Kind = "api_token" | "username_password" | "azure_spn" | "azure_basic_oauth" | "oauth"

const text = (description: string, example: string) =>
  Settings.optional(Settings.nonEmptyString({ description, example }))

const secret = (description: string) => Settings.optional(Settings.secret({ description }))

const azureFields = {
  clientId: text("The application's (client) id.", '"11111111-2222-3333-4444-555555555555"'),
  tenantId: text("The directory's (tenant) id or domain.", '"example.onmicrosoft.com"'),
  scope: Settings.string({
    description: "The scope to ask for. Empty means the one that the tool needs.",
    default: "",
    example: '"https://example.com/.default"'
  }),
  authority: Settings.url({
    description: "The sign-in host of the Azure cloud.",
    default: "https://login.microsoftonline.com"
  })
}

/** The section `[auth_api_token]`. */
export const ApiTokenSettings = Settings.section("auth_api_token", {
  description: "Credentials: a token that the tool gave out.",
  variablePrefix: "",
  fields: { agentToken: secret("The token.") }
})

/** The section `[auth_username_password]`. */
export const UserPasswordSettings = Settings.section("auth_username_password", {
  description: "Credentials: user name and password (HTTP Basic).",
  variablePrefix: "",
  fields: { agentUsername: text("The user name.", '"observer"'), agentPassword: secret("The password.") }
})

/** The section `[auth_azure_spn]`. */
export const AzureServicePrincipalSettings = Settings.section("auth_azure_spn", {
  description: "Credentials: a service principal of Entra (Azure AD).",
  variablePrefix: "AZURE_",
  fields: { ...azureFields, clientSecret: secret("The client's secret.") }
})

/** The section `[auth_azure_basic_oauth]`. */
export const AzureUserPasswordSettings = Settings.section("auth_azure_basic_oauth", {
  description: "Credentials: a user of Entra (Azure AD) with a password.",
  variablePrefix: "AZURE_",
  fields: {
    ...azureFields,
    username: text("The user name.", '"observer@example.com"'),
    password: secret("The password.")
  }
})

/** The section `[auth_oauth]`. */
export const OAuthSettings = Settings.section("auth_oauth", {
  description: "Credentials: an OAuth client with a secret (client credentials grant).",
  variablePrefix: "OAUTH_",
  fields: {
    clientId: text("The client's id.", '"11111111-2222-3333-4444-555555555555"'),
    clientSecret: secret("The client's secret."),
    tokenUrl: Settings.optional(
      Settings.url({
        description: "The token endpoint. Not needed for a tool that has its own.",
        example: '"https://sign-in.example.com/oauth/token"'
      })
    ),
    scope: Settings.string({
      description: "The scopes to ask for, separated by spaces. Empty means those that the tool needs.",
      default: ""
    })
  }
})

/** One kind: where its settings stand, and which of them matter. */
export interface Table {
  readonly section: Settings.Section<Readonly<Record<string, unknown>>>
  /** The settings that belong to this kind alone, and so tell that it is meant. The others are shared by the Azure kinds. */
  readonly telling: ReadonlyArray<string>
  /** All settings that it cannot do without. */
  readonly needed: ReadonlyArray<string>
}

/** All kinds. */
export const tables: Readonly<Record<Kind, Table>> = {
  api_token: { section: ApiTokenSettings, telling: ["agentToken"], needed: ["agentToken"] },
  username_password: {
    section: UserPasswordSettings,
    telling: ["agentUsername", "agentPassword"],
    needed: ["agentUsername", "agentPassword"]
  },
  azure_spn: {
    section: AzureServicePrincipalSettings,
    telling: ["clientSecret"],
    needed: ["clientId", "clientSecret", "tenantId"]
  },
  azure_basic_oauth: {
    section: AzureUserPasswordSettings,
    telling: ["username", "password"],
    needed: ["clientId", "username", "password", "tenantId"]
  },
  oauth: {
    section: OAuthSettings,
    telling: ["clientId", "clientSecret", "tokenUrl"],
    needed: ["clientId", "clientSecret", "tokenUrl"]
  }
}

/** The names of all kinds. */
export const allKinds: ReadonlyArray<Kind> = [
  "api_token",
  "username_password",
  "azure_spn",
  "azure_basic_oauth",
  "oauth"
]
