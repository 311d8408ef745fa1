/**
 * From what went wrong with a workspace to what to do about it. Databricks and what stands before it say only what they refuse; this
 * is where the words that they use for common mistakes are known. Pure.
 */
import * as DateTime from "effect/DateTime"
import * as Base64 from "effect/encoding/Base64Url"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as DatabricksError from "./DatabricksError.ts"
import * as Host from "./Host.ts"
import type { Workspace } from "./Workspaces.ts"

/** What the advice depends on. */
export interface Situation {
  readonly workspace: Pick<Workspace, "host" | "credentials">
  /** Where its address and its credentials were set, for people. */
  readonly hostSetting: string
  readonly credentialsSetting: string
  readonly now: number
}

/** What to do, in a sentence or two; none where nothing better is known than what the error says by itself. */
export const of = (error: DatabricksError.DatabricksError, situation: Situation): string | undefined => {
  const { hostSetting, workspace } = situation
  if (Host.isAccount(workspace.host)) {
    return `${workspace.host} is the console of a Databricks account, which has no jobs: set ${hostSetting} to the address of a workspace, as it stands in the browser when it is open there.`
  }
  const { reason } = error
  switch (reason._tag) {
    case "Unauthorized":
      return refused(reason.words, situation)
    case "Invalid":
      return /is a web page|no Jobs API/.test(reason.words)
        ? `Check ${hostSetting}: it must be the address of the workspace itself, without a proxy or sign-in page before it.`
        : undefined
    case "Unavailable":
      if (reason.status !== undefined && reason.status >= 300 && reason.status < 400) {
        return `The address sends requests on to another one, which follow_redirects of [http] does not allow: check ${hostSetting}, or whether this network may reach the workspace (private link).`
      }
      return unreachable(reason.words, situation)
    default:
      return undefined
  }
}

// ---- private

interface Rule {
  readonly words: RegExp
  readonly advice: (situation: Situation) => string
}

const refused = (words: string, situation: Situation): string | undefined => {
  const rule = REFUSALS.find((rule) => rule.words.test(words))
  if (rule !== undefined) return rule.advice(situation)
  const { credentials, host } = situation.workspace
  const { credentialsSetting, now } = situation
  switch (credentials._tag) {
    case "ApiToken": {
      const ended = expiry(Redacted.value(credentials.token))
      if (ended !== undefined && ended <= now) {
        const at = DateTime.formatIso(DateTime.makeUnsafe(ended))
        return `The token in ${credentialsSetting} ran out at ${at}. Tokens like it last an hour or so; use a service principal, for which the agent fetches them itself.`
      }
      return `The token in ${credentialsSetting} is not one of this workspace: it is mistyped, revoked, has run out, or belongs to another workspace. Make a new one in ${host} (Settings, Developer, Access tokens) and set it there.`
    }
    case "UserPassword":
      return `User name or password in ${credentialsSetting} are wrong, or the workspace takes no passwords any more (most do not): use a personal access token or a service principal.`
    default:
      return `Sign-in works, but the workspace does not let the service principal in: add it to the workspace (Settings, Identity and access), give it CAN VIEW on the jobs, and check that ${situation.hostSetting} is the workspace that is meant.`
  }
}

/** The words of Databricks, of its sign-in service, and of Entra (whose codes begin with AADSTS). */
const REFUSALS: ReadonlyArray<Rule> = [
  {
    words: /private link/i,
    advice: () =>
      "Run the agent in a network that has the private link, or ask an administrator to allow public access to the workspace."
  },
  {
    words: /blocked by Databricks IP ACL|IP access list|Source IP address/i,
    advice: () => "Have the address of this machine added to the workspace's (or account's) IP access list."
  },
  {
    words: /AADSTS7000222/,
    advice: ({ credentialsSetting }) =>
      `The client secret in ${credentialsSetting} has run out: make a new one for the application in Entra and set it there.`
  },
  {
    words: /AADSTS7000215/,
    advice: ({ credentialsSetting }) =>
      `The client secret in ${credentialsSetting} is wrong: set the secret's value, not its id.`
  },
  {
    words: /AADSTS(90002|900023|900021)/,
    advice: ({ credentialsSetting }) =>
      `There is no such tenant: check the tenant id beside ${credentialsSetting}, and that the sign-in host is that of the right Azure cloud.`
  },
  {
    words: /AADSTS700016|AADSTS70001\b/,
    advice: ({ credentialsSetting }) =>
      `The tenant does not know the application: check client id and tenant id beside ${credentialsSetting}; the application must be registered in that tenant.`
  },
  {
    words: /AADSTS50126/,
    advice: ({ credentialsSetting }) => `User name or password in ${credentialsSetting} are wrong.`
  },
  {
    words: /AADSTS(50076|50079|50158)/,
    advice: () =>
      "The user has to confirm the sign-in (multi-factor authentication), which an agent cannot: use a service principal."
  },
  {
    words: /iss(uer)? claim|wrong issuer|invalid issuer|tenant .*does not match/i,
    advice: ({ credentialsSetting }) =>
      `The token comes from another tenant than the workspace's: check the tenant id beside ${credentialsSetting}.`
  },
  {
    words: /refused the credentials.*(invalid_client|unauthorized_client|client authentication failed)/i,
    advice: ({ credentialsSetting, workspace }) =>
      `Client id or secret in ${credentialsSetting} are wrong, the secret has run out, or the service principal is not one of the account that ${workspace.host} belongs to.`
  },
  {
    words: /refused the credentials \((404|405)\)|gave no token/i,
    advice: ({ hostSetting }) =>
      `There is no sign-in service at that address: check ${hostSetting} (and token_url, if it is set).`
  },
  {
    words: /refused the credentials/i,
    advice: ({ credentialsSetting }) => `Check client id, secret and tenant in ${credentialsSetting}.`
  },
  {
    words: /token (is|has) expired|expired token|token.*expired/i,
    advice: ({ credentialsSetting, workspace }) =>
      `The token in ${credentialsSetting} has run out: make a new one in ${workspace.host} (Settings, Developer, Access tokens) and set it there.`
  },
  {
    words: /does not have .*permission|not have View|PERMISSION_DENIED: User/i,
    advice: () => "Give the user or service principal CAN VIEW on the jobs."
  },
  {
    words: /no HTTP header can carry/,
    advice: ({ credentialsSetting }) => `Copy the token again and set it in ${credentialsSetting}.`
  }
]

const unreachable = (words: string, { hostSetting, workspace }: Situation): string | undefined => {
  const where = /token endpoint (\S+)/.exec(words)?.[1]
  const name = hostOf(where ?? workspace.host)
  const setting = where === undefined ? hostSetting : "the network of this machine"
  const rule = UNREACHABLE.find((rule) => rule.words.test(words))
  return rule?.advice(name, setting)
}

const UNREACHABLE: ReadonlyArray<{
  readonly words: RegExp
  readonly advice: (host: string, setting: string) => string
}> = [
  {
    words: /ENOTFOUND|EAI_AGAIN|EAI_FAIL/,
    advice: (host, setting) =>
      `The name ${host} cannot be found: check ${setting}, and that this machine's DNS (or VPN) knows it.`
  },
  {
    words: /certificate|CERT_|self.signed|UNABLE_TO_|ERR_TLS|HOSTNAME_MISMATCH/i,
    advice: (host) =>
      `The certificate of ${host} is not trusted: if a proxy of your company opens encrypted connections, set ssl_cert_file of [http] to its authority's certificate.`
  },
  {
    words: /ERR_SSL|wrong version number|EPROTO/i,
    advice: (host, setting) =>
      `${host} does not speak TLS at this port: check ${setting} (scheme and port), and the proxy if there is one.`
  },
  {
    words: /ECONNREFUSED/,
    advice: (host, setting) => `Nothing listens at ${host}: check ${setting}, and firewall and proxy.`
  },
  {
    words:
      /ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|EHOSTUNREACH|ENETUNREACH|no answer within|connect(ion)? timeout/i,
    advice: (host) =>
      `${host} does not answer: check that firewall and proxy let this machine through (HTTPS, port 443), and that the workspace allows its network.`
  }
]

const hostOf = (address: string): string => (URL.canParse(address) ? new URL(address).host : address)

const Claims = Schema.fromJsonString(Schema.Struct({ exp: Schema.Finite }))

/** When a token that tells so itself (a JWT, as Entra's are) runs out, in milliseconds since 1970. */
const expiry = (token: string): number | undefined => {
  const [, claims, signature] = token.split(".")
  if (claims === undefined || signature === undefined) return undefined
  const text = Base64.decodeString(claims)
  if (Result.isFailure(text)) return undefined
  return Option.match(Schema.decodeOption(Claims)(text.success), {
    onNone: () => undefined,
    onSome: ({ exp }) => (exp > 0 && exp < 1e11 ? exp * 1000 : undefined)
  })
}
