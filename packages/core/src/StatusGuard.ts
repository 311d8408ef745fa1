/**
 * Who may ask the status server, and what every answer says to browsers.
 *
 * - Only `GET`, and only addresses that can be read in one way: what decides about an address here, and what routes it, must
 *   never take it for two different ones. Whatever has `;`, `..`, an encoded `/` and the like in its path is answered 400.
 * - The header `Host` has to be an IP address, `localhost`, or a name that the settings give. A web page that points its own
 *   name at this machine (DNS rebinding) is refused by that.
 * - Where there is a token, it has to come along: as `Authorization: Bearer …`, or as the cookie that `/?token=…` leaves
 *   behind, which takes the token out of the address at once and holds only a hash of it. Browsers send cookies to all ports of
 *   a host, so each has its own name. Health alone is answered without, and without reasons.
 * - Browsers are told to load nothing from elsewhere, to run no script but the page's own, and to keep nothing.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"

/** Who may ask. */
export interface Options {
  /** Names by which this machine may be asked for, beside IP addresses and `localhost`. */
  readonly hosts: ReadonlyArray<string>
  readonly token: Redacted.Redacted | undefined
}

/** Whether who asks may read everything. Answers to those who may not say as little as possible. */
export const IsKnown: Context.Reference<boolean> = Context.Reference<boolean>(
  "@observability-agents/core/StatusGuard/IsKnown",
  { defaultValue: () => true }
)

/**
 * Lets through who may ask.
 *
 * @category models
 */
export type Guard = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest>

/** Makes a guard that lets through who may ask by the options. */
export const make = (options: Options): Effect.Effect<Guard> =>
  Effect.map(
    secretOf(options.token),
    (secret): Guard =>
      (app) =>
        Effect.flatMap(HttpServerRequest, (request) => {
          const isKnown = secret === undefined || isShown(request, secret)
          const refusal = refuse(options, secret, request, isKnown)
          return refusal === undefined
            ? Effect.provideService(app, IsKnown, isKnown)
            : Effect.succeed(refusal)
        })
  )

/** Says on an answer what every answer says to browsers. */
export const secured: (
  response: HttpServerResponse.HttpServerResponse
) => HttpServerResponse.HttpServerResponse = (response) => HttpServerResponse.setHeaders(response, HEADERS)

/** What has been asked for. It says nothing of the host and the scheme. */
export const urlOf = (request: HttpServerRequest): URL => new URL(request.url, "http://status")

/**
 * Answered without a token: orchestrators have none, and learn no more than yes or no. It is asked of the address as it came
 * in and of no other reading of it.
 */
const isOpen = (url: string): boolean => /^\/health\/(live|ready)(\?|$)/.test(url)

/** Whether there is only one way to read the address: as a plain path, and after `?` whatever there is. */
const isPlain = (url: string): boolean =>
  url.startsWith("/") &&
  !url.includes("#") &&
  !/[;\\]|\/\/|\.\.|%(?:2e|2f|5c|3b|23|3f|00)/i.test(url.split("?", 1)[0] ?? "") &&
  URL.canParse(url, "http://status")

/** A token, and what the cookie holds in its place: whoever gets hold of the cookie does not have the token. */
interface Secret {
  readonly token: string
  readonly cookie: string
}

const secretOf = (token: Redacted.Redacted | undefined): Effect.Effect<Secret | undefined> => {
  if (token === undefined) return Effect.succeed(undefined)
  const bytes = new TextEncoder().encode(`observability-agent status cookie\n${Redacted.value(token)}`)
  return Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", bytes)),
    (hash) => ({
      token: Redacted.value(token),
      cookie: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("")
    })
  )
}

/** The cookie's name: that of the port by which this server was asked for. */
const cookieName = (request: HttpServerRequest): string => {
  const port = /:(\d{1,5})$/.exec(request.headers["host"] ?? "")?.[1]
  return port === undefined ? COOKIE : `${COOKIE}_${port}`
}

const COOKIE = "observability_agent_status"

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store"
}

const refuse = (
  options: Options,
  secret: Secret | undefined,
  request: HttpServerRequest,
  isKnown: boolean
): HttpServerResponse.HttpServerResponse | undefined => {
  if (request.method !== "GET") {
    return HttpServerResponse.text("This server only answers GET.\n", {
      status: 405,
      headers: { allow: "GET" }
    })
  }
  if (!isPlain(request.url)) {
    return HttpServerResponse.text("This is no address of this server.\n", { status: 400 })
  }
  if (!isOurs(request.headers["host"], options.hosts)) {
    return HttpServerResponse.text(
      "This server is not asked for by that name. Use its IP address, or add the name to `hosts` of [status].\n",
      { status: 421 }
    )
  }
  if (secret === undefined || isOpen(request.url)) return undefined
  const { pathname, searchParams } = urlOf(request)
  const given = searchParams.get("token")
  if (pathname === "/" && given !== null && isSame(given, secret.token)) {
    // As the answer goes on to an address without it, the token is in no history and in no log of ours.
    return HttpServerResponse.setHeader(
      HttpServerResponse.empty({ status: 303, headers: { location: "/" } }),
      "set-cookie",
      `${cookieName(request)}=${secret.cookie}; Path=/; HttpOnly; SameSite=Strict`
    )
  }
  if (isKnown) return undefined
  return HttpServerResponse.text(
    "A token is needed here: `Authorization: Bearer …`, or, in a browser, once `/?token=…`. It is the setting `token` of [status].\n",
    { status: 401, headers: { "www-authenticate": 'Bearer realm="observability-agent"' } }
  )
}

const isOurs = (host: string | undefined, names: ReadonlyArray<string>): boolean => {
  if (host === undefined) return false
  const name = host.replace(/:\d*$/, "").toLowerCase()
  if (name === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name))
    return true
  return names.some((known) => known.toLowerCase() === name)
}

const isShown = (request: HttpServerRequest, { cookie, token }: Secret): boolean => {
  const header = request.headers["authorization"]
  if (header !== undefined) {
    const [scheme, ...rest] = header.split(" ")
    return scheme?.toLowerCase() === "bearer" && isSame(rest.join(" ").trim(), token)
  }
  const given = request.cookies[cookieName(request)]
  return given !== undefined && isSame(given, cookie)
}

/** Takes as long for a wrong token as for the right one, however much of it is right. */
const isSame = (given: string, token: string): boolean => {
  let difference = given.length ^ token.length
  for (let index = 0; index < token.length; index++)
    difference |= given.charCodeAt(index) ^ token.charCodeAt(index)
  return difference === 0
}
