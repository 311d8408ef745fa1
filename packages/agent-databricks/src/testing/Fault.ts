/**
 * Disturbances of a fake workspace: what happens to an answer on its way out.
 */
import type * as Duration from "effect/Duration"

/** An answer before it is sent. */
export interface Reply {
  readonly status: number
  readonly body: string
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

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

/** 429, with or without a Retry-After in seconds. */
export const rateLimited = (retryAfter?: number): Fault =>
  reply({
    status: 429,
    body: JSON.stringify({ error_code: "RESOURCE_EXHAUSTED", message: "Too many requests. Slow down." }),
    ...(retryAfter === undefined ? {} : { headers: { "retry-after": String(retryAfter) } })
  })

/** An error of the service, by default 500. */
export const serverError = (status = 500): Fault =>
  reply({
    status,
    body: JSON.stringify({ error_code: "INTERNAL_ERROR", message: "Something went wrong inside." })
  })

/** A login page with status 200, as a wrong address gives it. */
export const loginPage: Fault = reply({
  status: 200,
  contentType: "text/html",
  body: "<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
})

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
