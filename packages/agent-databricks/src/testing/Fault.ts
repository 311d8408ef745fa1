/**
 * Disturbances of a fake workspace: what happens to an answer on its way out.
 */
import type * as Duration from "effect/Duration"
import * as Answer from "./Answer.ts"
import * as Listing from "./Listing.ts"

/** An answer before it is sent. */
export type Reply = Answer.Reply

/** What is done to an answer. */
export type Fault =
  | { readonly _tag: "Change"; readonly change: (reply: Reply) => Reply }
  | { readonly _tag: "Slow"; readonly by: Duration.Input }
  | { readonly _tag: "Hang" }
  | { readonly _tag: "Drop" }

/** Another answer altogether. */
export const reply = (reply: Partial<Reply> & Pick<Reply, "status">): Fault =>
  change(() => ({ body: "", contentType: "application/json", ...reply }))

/** The answer, changed. */
export const change = (change: (reply: Reply) => Reply): Fault => ({ _tag: "Change", change })

/** The answer with its JSON changed. */
export const json = (f: (body: Record<string, unknown>) => unknown): Fault =>
  change((reply) => ({ ...reply, body: JSON.stringify(f(JSON.parse(reply.body))) }))

/** 429, with or without a Retry-After, in seconds or as an HTTP date. */
export const rateLimited = (retryAfter?: number | string): Fault =>
  reply({
    ...Answer.refuse(429, "RESOURCE_EXHAUSTED", "Too many requests. Slow down."),
    ...(retryAfter === undefined ? {} : { headers: { "retry-after": String(retryAfter) } })
  })

/** The other way in which the service says that there are too many requests: 400. */
export const requestLimitExceeded: Fault = reply(
  Answer.refuse(400, "REQUEST_LIMIT_EXCEEDED", "The limit of requests is exceeded, please try again later.")
)

/** An error of the service, by default 500. */
export const serverError = (status = 500): Fault =>
  reply(Answer.refuse(status, "INTERNAL_ERROR", "Something went wrong inside."))

/** An error of the service with the code and words of your choice. */
export const refused = (status: number, code: string | number, message: string): Fault =>
  reply(Answer.refuse(status, code, message))

/** The error of something between the workspace and here: a page. */
export const gateway = (status: 502 | 503 | 504): Fault =>
  reply({
    status,
    contentType: "text/html",
    body: `<html><head><title>${status}</title></head><body><pre>The gateway got no answer.</pre></body></html>`
  })

/** A bad token, answered with bare text and status 400, as it happens. */
export const invalidToken: Fault = reply({ status: 400, contentType: "text/plain", body: "Invalid Token" })

/** This network is not on the workspace's private link: the request is sent on to a page of the service. */
export const privateLink: Fault = reply({
  status: 302,
  headers: { location: "/login.html?error=private-link-validation-error:1" }
})

/** The run does not exist (any more), whatever the fake knows of it; some say so with 404. */
export const noSuchRun = (id: string, status: 400 | 404 = 400): Fault =>
  reply(
    status === 400
      ? Answer.noSuchRun(id)
      : Answer.refuse(status, "RESOURCE_DOES_NOT_EXIST", `Run ${id} does not exist.`)
  )

/** A login page with status 200, as a wrong address gives it. */
export const loginPage: Fault = reply({
  status: 200,
  contentType: "text/html",
  body: "<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
})

/** A list whose every page leads back to its first. */
export const circular: Fault = json((body) => ({ ...body, next_page_token: Listing.FIRST_PAGE }))

/** Status 200 and nothing else. */
export const empty: Fault = reply({ status: 200 })

/** The first half of the answer. */
export const truncated: Fault = change((reply) => ({
  ...reply,
  body: reply.body.slice(0, Math.floor(reply.body.length / 2))
}))

/** The answer, later. */
export const slow = (by: Duration.Input): Fault => ({ _tag: "Slow", by })

/** No answer at all, and the connection stays. */
export const hang: Fault = { _tag: "Hang" }

/** The connection is closed without an answer. */
export const drop: Fault = { _tag: "Drop" }
