/**
 * The settings of the credentials for a tool. Each kind of credentials has a section of its own; which one is used follows
 * from what is set. Settings of two kinds at once are a mistake that is reported (a variable left over from another agent
 * must not win silently), unless `kind` of `[credentials]` chooses.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Credentials from "./Credentials.ts"
import { decide, isUnset, type Options, settingOf } from "./CredentialsChoice.ts"
import {
  allKinds,
  ApiTokenSettings,
  AzureServicePrincipalSettings,
  AzureUserPasswordSettings,
  type Kind,
  OAuthSettings,
  tables,
  UserPasswordSettings
} from "./CredentialsSections.ts"
import * as Settings from "./Settings.ts"

export type { Options } from "./CredentialsChoice.ts"
export type { Kind } from "./CredentialsSections.ts"

/** What takes the place of settings that are not set. */
export interface Defaults {
  /** The tool's own token endpoint, for `oauth`. */
  readonly tokenUrl?: string | undefined
  /** The scope to ask that endpoint for. */
  readonly scope?: string | undefined
  /** The scope of the tool at Entra, for both Azure kinds. */
  readonly azureScope?: string | undefined
}

/** What {@link forTool} makes. */
export interface CredentialsSettings {
  /** The sections to validate: those of all kinds, and the one that chooses and checks. */
  readonly sections: ReadonlyArray<Settings.Section<unknown>>
  /** The section that chooses, one of them. */
  readonly choice: Settings.Section<{ readonly kind: Kind | undefined }>
  /** The credentials that are set. Fails, with the whole report as message, when there are none or it is not clear which. */
  readonly load: (defaults?: Defaults) => Effect.Effect<Credentials.Credentials, Config.ConfigError>
}

/** The settings of the credentials for a tool that accepts certain kinds. */
export const forTool = (options: Options = {}): CredentialsSettings => {
  const CredentialsSection = Settings.section("credentials", {
    description: "Which of the kinds of credentials that are set is used.",
    fields: {
      kind: Settings.optional(
        Settings.literals(allKinds, {
          description:
            "The kind of credentials to use. Needed only when settings of more than one kind are present."
        })
      )
    },
    check: (look) =>
      options.isNeeded?.(look) === false && isUnset(look) ? [] : decide(look, options).problems
  })
  const load = Effect.fnUntraced(function* (defaults: Defaults = {}) {
    const look = yield* lookNow(CredentialsSection)
    const { kind, problems } = decide(look, options)
    if (kind === undefined || problems.length > 0) {
      return yield* Effect.fail(
        new Config.ConfigError(new ConfigProvider.SourceError({ message: Settings.report(problems) }))
      )
    }
    return yield* read[kind](defaults)
  })
  return {
    sections: [CredentialsSection, ...Object.values(tables).map(({ section }) => section)],
    choice: CredentialsSection,
    load
  }
}

const forEveryTool = forTool()

/** The sections of a tool that accepts every kind. */
export const sections: CredentialsSettings["sections"] = forEveryTool.sections

/** Reads the credentials of a tool that accepts every kind. */
export const load: CredentialsSettings["load"] = forEveryTool.load

// ---- private parts

/** What is set under the ConfigProvider in force, with origins where the provider tells them. */
const lookNow = Effect.fnUntraced(function* (
  choosing: Settings.Section<{ readonly kind: Kind | undefined }>
) {
  const origins = new Map<string, Settings.Origin>()
  const values = new Map<string, unknown>()
  const all: ReadonlyArray<Settings.Section<Readonly<Record<string, unknown>>>> = [
    choosing,
    ...Object.values(tables).map((table) => table.section)
  ]
  for (const section of all) {
    for (const [name, value] of Object.entries(yield* section.config)) {
      values.set(`${section.table}.${name}`, value)
      const origin = yield* Settings.origin(section, name)
      if (Option.isSome(origin)) origins.set(`${section.table}.${name}`, origin.value)
    }
  }
  const look: Settings.Look = {
    origin: (table, field) => origins.get(`${table}.${field}`),
    value: (table, field) => values.get(`${table}.${field}`)
  }
  return look
})

const absent = (setting: string): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message: `${setting} is required, but not set` }))

/** A value that was found to be set before; the failure keeps the types honest. */
const present = <A>(kind: Kind, name: string, value: A | undefined): Effect.Effect<A, Config.ConfigError> =>
  value === undefined ? Effect.fail(absent(settingOf(kind, name))) : Effect.succeed(value)

const read: Readonly<
  Record<Kind, (defaults: Defaults) => Effect.Effect<Credentials.Credentials, Config.ConfigError>>
> = {
  api_token: Effect.fnUntraced(function* () {
    const { agentToken } = yield* ApiTokenSettings.config
    return Credentials.ApiToken({ token: yield* present("api_token", "agentToken", agentToken) })
  }),
  username_password: Effect.fnUntraced(function* () {
    const { agentPassword, agentUsername } = yield* UserPasswordSettings.config
    return Credentials.UserPassword({
      username: yield* present("username_password", "agentUsername", agentUsername),
      password: yield* present("username_password", "agentPassword", agentPassword)
    })
  }),
  azure_spn: Effect.fnUntraced(function* (defaults) {
    const settings = yield* AzureServicePrincipalSettings.config
    return Credentials.AzureServicePrincipal({
      clientId: yield* present("azure_spn", "clientId", settings.clientId),
      clientSecret: yield* present("azure_spn", "clientSecret", settings.clientSecret),
      tenantId: yield* present("azure_spn", "tenantId", settings.tenantId),
      scope: settings.scope || (defaults.azureScope ?? ""),
      authority: settings.authority
    })
  }),
  azure_basic_oauth: Effect.fnUntraced(function* (defaults) {
    const settings = yield* AzureUserPasswordSettings.config
    return Credentials.AzureUserPassword({
      clientId: yield* present("azure_basic_oauth", "clientId", settings.clientId),
      username: yield* present("azure_basic_oauth", "username", settings.username),
      password: yield* present("azure_basic_oauth", "password", settings.password),
      tenantId: yield* present("azure_basic_oauth", "tenantId", settings.tenantId),
      scope: settings.scope || (defaults.azureScope ?? ""),
      authority: settings.authority
    })
  }),
  oauth: Effect.fnUntraced(function* (defaults) {
    const settings = yield* OAuthSettings.config
    return Credentials.OAuthClient({
      clientId: yield* present("oauth", "clientId", settings.clientId),
      clientSecret: yield* present("oauth", "clientSecret", settings.clientSecret),
      tokenUrl: yield* present("oauth", "tokenUrl", settings.tokenUrl ?? defaults.tokenUrl),
      scope: settings.scope || (defaults.scope ?? "")
    })
  })
}
