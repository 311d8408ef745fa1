/**
 * A request to a fake workspace, taken apart, and the answers in the shapes of the service.
 */
import type * as JobsApi from "../JobsApi.ts"
import * as Digits from "./Digits.ts"

/** A request, taken apart. */
export interface Question {
  /** Under which address it was asked, e.g. `https://fake.cloud.databricks.com`. */
  readonly origin: string
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly authorization: string | undefined
  /** `X-Databricks-Azure-SP-Management-Token`. */
  readonly management?: string | undefined
  /** `X-Databricks-Azure-Workspace-Resource-Id`. */
  readonly resourceId?: string | undefined
  readonly body: string
}

/** An answer before it is sent. */
export interface Reply {
  readonly status: number
  readonly body: string
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The version of the API that a path asks for. */
export const versionOf = ({ path }: Question): JobsApi.Version =>
  path.startsWith("/api/2.1/") ? "2.1" : "2.2"

/** An answer of the API: typed as it describes itself, with ids as bare numbers. */
export const ok = <Body extends JobsApi.ListAnswer | JobsApi.GetAnswer | JobsApi.OutputAnswer>(
  body: Body
): Reply => ({
  status: 200,
  contentType: "application/json",
  body: Digits.stringify(body)
})

/** Any JSON. */
export const json = (status: number, body: unknown): Reply => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(body)
})

/** An error of the API. */
export const refuse = (status: number, error_code: string | number, message: string): Reply =>
  json(status, { error_code, message } satisfies JobsApi.ErrorAnswer)

/** What the service does not take: 400 INVALID_PARAMETER_VALUE. */
export const invalid = (message: string): Reply => refuse(400, "INVALID_PARAMETER_VALUE", message)

/** There is no such run (any more): the service says so with 400, not 404. */
export const noSuchRun = (id: string): Reply => invalid(`Run ${id} does not exist.`)
