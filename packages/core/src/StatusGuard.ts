/**
 * Who may ask the status server, and what every answer says to browsers.
 *
 * - Only `GET`.
 * - The header `Host` has to be an IP address, `localhost`, or a name that the settings give. A web page that points its own
 *   name at this machine (DNS rebinding) is refused by that.
 * - Where there is a token, it has to come along: as `Authorization: Bearer …`, or as the cookie that `/?token=…` leaves
 *   behind, which takes the token out of the address at once. Health alone is answered without, and without reasons.
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

/** Lets through who may ask. */
export const guard = <E, R>(
  options: Options,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest, (request) => {
    const isKnown = options.token === undefined || isShown(request, Redacted.value(options.token))
    const refusal = refuse(options, request, isKnown)
    const answer =
      refusal === undefined ? Effect.provideService(app, IsKnown, isKnown) : Effect.succeed(refusal)
    return Effect.map(answer, HttpServerResponse.setHeaders(HEADERS))
  })

/** What has been asked for. It says nothing of the host and the scheme. */
export const urlOf = (request: HttpServerRequest): URL => new URL(request.url, "http://status")

/** Answered without a token: orchestrators have none, and learn no more than yes or no. */
const OPEN: ReadonlyArray<string> = ["/health/live", "/health/ready"]

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
  request: HttpServerRequest,
  isKnown: boolean
): HttpServerResponse.HttpServerResponse | undefined => {
  if (request.method !== "GET") {
    return HttpServerResponse.text("This server only answers GET.\n", {
      status: 405,
      headers: { allow: "GET" }
    })
  }
  const { pathname, searchParams } = urlOf(request)
  if (!isOurs(request.headers["host"], options.hosts)) {
    return HttpServerResponse.text(
      "This server is not asked for by that name. Use its IP address, or add the name to `hosts` of [status].\n",
      { status: 421 }
    )
  }
  if (options.token === undefined || OPEN.includes(pathname)) return undefined
  const given = searchParams.get("token")
  if (pathname === "/" && given !== null && isSame(given, Redacted.value(options.token))) {
    // As the answer goes on to an address without it, the token is in no history and in no log of ours.
    return HttpServerResponse.setHeader(
      HttpServerResponse.empty({ status: 303, headers: { location: "/" } }),
      "set-cookie",
      `${COOKIE}=${encodeURIComponent(given)}; Path=/; HttpOnly; SameSite=Strict`
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

const isShown = (request: HttpServerRequest, token: string): boolean => {
  const header = request.headers["authorization"]
  if (header !== undefined) {
    const [scheme, ...rest] = header.split(" ")
    return scheme?.toLowerCase() === "bearer" && isSame(rest.join(" ").trim(), token)
  }
  const cookie = request.cookies[COOKIE]
  return cookie !== undefined && isSame(decoded(cookie), token)
}

/** Takes as long for a wrong token as for the right one, however much of it is right. */
const isSame = (given: string, token: string): boolean => {
  let difference = given.length ^ token.length
  for (let index = 0; index < token.length; index++)
    difference |= given.charCodeAt(index) ^ token.charCodeAt(index)
  return difference === 0
}

/** Cookies are decoded or not, depending on the server. */
const decoded = (cookie: string): string => {
  try {
    return decodeURIComponent(cookie)
  } catch {
    return cookie
  }
}
