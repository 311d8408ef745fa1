/**
 * The address of a workspace, from what people write: copied from a browser's address bar as a rule.
 */
import * as Result from "effect/Result"

/** What is accepted, in words. */
export const EXPECTED =
  "the name of a host, such as adb-1.2.azuredatabricks.net, or its address with https://"

/**
 * The origin of the address: scheme added (https unless given), path, query and standard port left out. Fails with what is
 * wrong in words that show nothing of the address, since it may hold a password.
 */
export const parse = (text: string): Result.Result<string, string> => {
  const trimmed = text.trim()
  const scheme = /^([a-z][a-z0-9+.-]*):(?!\d)/i.exec(trimmed)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") {
    return Result.fail("its scheme must be https (or http)")
  }
  if (scheme !== undefined && !/^[a-z]+:\/\/[^/\\]/i.test(trimmed)) return Result.fail(NO_ADDRESS)
  const address = scheme === undefined ? `https://${trimmed}` : trimmed
  if (!URL.canParse(address)) return Result.fail(NO_ADDRESS)
  const url = new URL(address)
  if (url.username !== "" || url.password !== "") {
    return Result.fail(
      "user and password must not stand in the address; credentials have settings of their own"
    )
  }
  return HOST_NAME.test(url.hostname) ? Result.succeed(url.origin) : Result.fail(NO_ADDRESS)
}

/** The origin of an address that people wrote, or the address itself where it is none (the settings do not accept it). */
export const originOf = (text: string): string => Result.getOrElse(parse(text), () => text)

/**
 * What to call a workspace by its origin: `adb-1.2` of `https://adb-1.2.azuredatabricks.net`, `a` of `https://a.example.com`;
 * the host with its port where there is one, or where it is a number.
 */
export const nameOf = (origin: string): string => {
  if (!URL.canParse(origin)) return origin
  const { host, hostname, port } = new URL(origin)
  if (port !== "" || /^[\d.]+$|^\[/.test(hostname)) return host
  const known = DOMAINS.find(({ suffix }) => hostname.endsWith(suffix))
  return known === undefined
    ? (hostname.split(".", 1)[0] ?? hostname)
    : hostname.slice(0, -known.suffix.length)
}

/** Which cloud's workspaces have addresses like this, as far as its ending tells. */
export const cloudOf = (origin: string): Cloud | undefined => {
  if (!URL.canParse(origin)) return undefined
  const { hostname } = new URL(origin)
  return DOMAINS.find(({ suffix }) => hostname.endsWith(suffix))?.cloud
}

/** The clouds; those of Azure have sign-in services of their own. */
export type Cloud = "aws" | "gcp" | "azure" | "azure-us" | "azure-cn"

/** Whether it is the address of an account's console, which has no jobs: a workspace has an address of its own. */
export const isAccount = (origin: string): boolean => /^https?:\/\/accounts(?:-[a-z0-9]+)?\./i.test(origin)

/** The address without what stands before an `@`, which may be a password. */
export const withoutUser = (text: string): string =>
  text.replace(/^([a-z][a-z0-9+.-]*:\/*)?.*@/is, "$1********@")

// ---- private

/** The endings of workspaces' addresses. */
const DOMAINS: ReadonlyArray<{ readonly suffix: string; readonly cloud: Cloud }> = [
  { suffix: ".azuredatabricks.net", cloud: "azure" },
  { suffix: ".databricks.azure.us", cloud: "azure-us" },
  { suffix: ".databricks.azure.cn", cloud: "azure-cn" },
  { suffix: ".cloud.databricks.com", cloud: "aws" },
  { suffix: ".cloud.databricks.us", cloud: "aws" },
  { suffix: ".gcp.databricks.com", cloud: "gcp" }
]

const NO_ADDRESS = "it is no address"

/** URLs admit more, of which nothing is the name of a host. */
const HOST_NAME = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)$/i
