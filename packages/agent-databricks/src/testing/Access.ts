/**
 * Who may ask a fake workspace: personal access tokens, OAuth clients (with the documents by which they find the token
 * endpoint), Entra service principals and users of both versions of its endpoint, and user names with passwords. Wrong
 * credentials are answered as the service does it.
 */
import * as Duration from "effect/Duration"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Answer from "./Answer.ts"

/** What a fake workspace accepts. */
export interface Options {
  /** The personal access token it accepts. Default `dapi-fake`. Its owner is called `token` in a job's `visibleTo`. */
  readonly token?: string
  /** How long that token is good for, from the making of the fake. Default: for ever. */
  readonly tokenLifetime?: Duration.Input
  /** A service principal that may fetch tokens from the workspace. Its client id is its name. */
  readonly oauth?: {
    readonly clientId: string
    readonly clientSecret: string
    /** How long a token it gives is good for. Default one hour. */
    readonly lifetime?: Duration.Input
    /** Where the token endpoint is, which discovery tells. Default `/oidc/v1/token`. */
    readonly tokenPath?: string
  }
  /** A service principal of Entra, whose sign-in hosts answer behind the same face. Its client id is its name. */
  readonly azure?: {
    readonly tenantId: string
    readonly clientId: string
    readonly clientSecret: string
    /** A user who may sign in with a password. */
    readonly user?: { readonly username: string; readonly password: string }
    /**
     * The service principal is no user of the workspace, but has a role on this Azure resource: its requests need a token for
     * Azure's management service and the resource's id beside its own token.
     */
    readonly workspaceResourceId?: string
    readonly lifetime?: Duration.Input
  }
  /** A user who may use HTTP Basic. */
  readonly basic?: { readonly username: string; readonly password: string }
  /** Whether `expires_in` comes as text, as it does in places. Default: it does. */
  readonly expiresIn?: "text" | "number"
}

/** The application that every Azure workspace is to Entra, in all clouds. */
export const AZURE_RESOURCE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"

/** Whether a request asks a token endpoint. */
export const isTokenRequest = ({ method, path }: Answer.Question, { oauth }: Options): boolean =>
  method === "POST" && (path === (oauth?.tokenPath ?? OIDC) || ENTRA.test(path))

/** The tokens that are good, and those who have them. */
export class Access {
  private readonly tokens = new Map<string, { readonly name: string; readonly until: number }>()
  private readonly management = new Map<string, number>()
  private readonly options: Options
  private isBasicGood = true
  private last = 0

  constructor(options: Options, now: number) {
    this.options = options
    const { token = "dapi-fake", tokenLifetime = Duration.infinity } = options
    this.tokens.set(token, { name: "token", until: now + Duration.toMillis(tokenLifetime) })
  }

  /** All that was given out is void, and so are the personal token and the password. */
  revoke() {
    this.tokens.clear()
    this.isBasicGood = false
  }

  /** Accepts a personal token from now on. */
  grant(token: string, until = Number.POSITIVE_INFINITY) {
    this.tokens.set(token, { name: "token", until })
    this.isBasicGood = true
  }

  /** The documents that anybody may read, and where a browser would be sent to sign in. */
  document({ method, origin: host, path }: Answer.Question): Answer.Reply | undefined {
    if (method !== "GET") return undefined
    const { azure, oauth } = this.options
    const oidc = `${host}/oidc`
    switch (path) {
      case "/.well-known/databricks-config":
        return Answer.json(200, {
          oidc_endpoint: oidc,
          workspace_id: "1",
          cloud: azure === undefined ? "aws" : "azure"
        })
      case "/oidc/.well-known/oauth-authorization-server":
        return Answer.json(200, {
          issuer: oidc,
          authorization_endpoint: `${oidc}/v1/authorize`,
          token_endpoint: `${host}${oauth?.tokenPath ?? OIDC}`,
          grant_types_supported: ["client_credentials"]
        })
      case "/aad/auth":
        return azure === undefined
          ? undefined
          : {
              status: 302,
              body: "",
              contentType: "text/html",
              headers: { location: `https://login.microsoftonline.com/${azure.tenantId}/oauth2/authorize` }
            }
      default:
        return undefined
    }
  }

  /** The answer of a token endpoint. */
  token(question: Answer.Question, now: number): Answer.Reply {
    const form = new URLSearchParams(question.body)
    const entra = ENTRA.exec(question.path)
    return entra === null
      ? this.workspaceToken(question, form, now)
      : this.entraToken(entra[1] ?? "", entra[2] === "/v2.0", form, now)
  }

  /** Whose credentials these are, or why they are not good. */
  identify(
    { authorization, management, resourceId }: Answer.Question,
    now: number
  ): Result.Result<string, Answer.Reply> {
    const [user, password] = basicOf(authorization) ?? []
    const { basic } = this.options
    if (basic !== undefined && this.isBasicGood && user === basic.username && password === basic.password) {
      return Result.succeed(basic.username)
    }
    if (user !== undefined) return Result.fail(Answer.refuse(401, 401, "Invalid username or password."))
    const token = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1]
    if (token === undefined) {
      return Result.fail(Answer.refuse(401, "UNAUTHENTICATED", "No credential of a supported kind was sent."))
    }
    const known = this.tokens.get(token)
    if (known === undefined || known.until <= now) {
      // The code of this one is a number.
      return Result.fail(Answer.refuse(403, 403, "Invalid access token."))
    }
    const { azure } = this.options
    const isStranger = known.name === azure?.clientId && azure.workspaceResourceId !== undefined
    const hasRole =
      (this.management.get(management ?? "") ?? 0) > now && resourceId === azure?.workspaceResourceId
    return isStranger && !hasRole
      ? Result.fail(Answer.refuse(403, "PERMISSION_DENIED", "The principal is not a user of this workspace."))
      : Result.succeed(known.name)
  }

  private workspaceToken({ authorization }: Answer.Question, form: URLSearchParams, now: number) {
    const { oauth } = this.options
    const [user, secret] = basicOf(authorization) ?? [form.get("client_id"), form.get("client_secret")]
    if (oauth === undefined || user !== oauth.clientId || secret !== oauth.clientSecret) {
      return denial(401, "invalid_client", "Client authentication failed")
    }
    if (form.get("grant_type") !== "client_credentials") {
      return denial(400, "unsupported_grant_type", "grant_type is missing or wrong")
    }
    if ((form.get("scope") ?? "") === "") return denial(400, "invalid_scope", "scope is missing")
    return this.issue(oauth.clientId, "oauth", oauth.lifetime, now)
  }

  private entraToken(tenant: string, isV2: boolean, form: URLSearchParams, now: number) {
    const { azure } = this.options
    if (tenant !== azure?.tenantId)
      return entraDenial(400, "invalid_request", 90002, `Tenant '${tenant}' not found.`)
    if (form.get("client_id") !== azure.clientId) {
      return entraDenial(
        400,
        "unauthorized_client",
        700016,
        "The application was not found in the directory."
      )
    }
    const asked = form.get(isV2 ? "scope" : "resource") ?? ""
    const wanted = isV2 ? `${AZURE_RESOURCE}/.default` : AZURE_RESOURCE
    const isManagement = MANAGEMENT.test(asked)
    if (asked !== wanted && !isManagement) {
      return entraDenial(
        400,
        isV2 ? "invalid_scope" : "invalid_resource",
        isV2 ? 70011 : 500011,
        `"${asked}" is not known.`
      )
    }
    if (form.get("grant_type") === "password") {
      const { user } = azure
      const isUser = user?.username === form.get("username") && user?.password === form.get("password")
      return isUser && user !== undefined
        ? this.issue(user.username, "entra", azure.lifetime, now)
        : entraDenial(400, "invalid_grant", 50126, "Invalid username or password.")
    }
    if (form.get("client_secret") !== azure.clientSecret) {
      return entraDenial(401, "invalid_client", 7000215, "Invalid client secret provided.")
    }
    return form.get("grant_type") === "client_credentials"
      ? this.issue(azure.clientId, isManagement ? "management" : "entra", azure.lifetime, now)
      : entraDenial(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
  }

  private issue(name: string, kind: string, lifetime: Duration.Input = "1 hour", now: number): Answer.Reply {
    const millis = Duration.toMillis(lifetime)
    const token = `${kind}-${++this.last}`
    // A token for the management of Azure opens nothing by itself.
    if (kind === "management") this.management.set(token, now + millis)
    else this.tokens.set(token, { name, until: now + millis })
    const seconds = Math.floor(millis / 1000)
    return Answer.json(200, {
      access_token: token,
      token_type: "Bearer",
      expires_in: this.options.expiresIn === "number" ? seconds : String(seconds)
    })
  }
}

// ---- private

const OIDC = "/oidc/v1/token"

const ENTRA = /^\/([^/]+)\/oauth2(\/v2\.0)?\/token$/

/** The management service of Azure in its three clouds. */
const MANAGEMENT = /^https:\/\/management\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)\//

const denial = (status: number, error: string, error_description: string): Answer.Reply =>
  Answer.json(status, { error, error_description })

const entraDenial = (status: number, error: string, code: number, words: string): Answer.Reply =>
  Answer.json(status, {
    error,
    error_description: `AADSTS${code}: ${words}`,
    error_codes: [code],
    correlation_id: "00000000-0000-4000-8000-000000000000"
  })

const basicOf = (authorization: string | undefined): readonly [string, string] | undefined => {
  const encoded = /^Basic (.+)$/i.exec(authorization ?? "")?.[1]
  const text = encoded === undefined ? "" : Result.getOrElse(Base64.decodeString(encoded), () => "")
  const colon = text.indexOf(":")
  return colon < 0
    ? undefined
    : [decodeURIComponent(text.slice(0, colon)), decodeURIComponent(text.slice(colon + 1))]
}
