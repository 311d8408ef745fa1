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

/** The address without what stands before an `@`, which may be a password. */
export const withoutUser = (text: string): string =>
  text.replace(/^([a-z][a-z0-9+.-]*:\/*)?.*@/is, "$1********@")

// ---- private

const NO_ADDRESS = "it is no address"

/** URLs admit more, of which nothing is the name of a host. */
const HOST_NAME = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)$/i
