/**
 * The answers of the Observability server as it words them: Flask's JSON errors (`{ error, details }`) with Werkzeug's
 * standard sentences, and its validation errors, which are a Python dictionary printed as text.
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** One rule that a request breaks, where it does (`test_outcomes[3].name`; empty for the whole), and the rule in words. */
export interface Fault {
  readonly field: string
  readonly rule: string
}

/** An error in the server's JSON form. */
export const failure = (status: number, error: string, more: Readonly<Record<string, unknown>> = {}) =>
  HttpServerResponse.jsonUnsafe({ error, details: {}, ...more }, { status })

/** The request cannot be read: no JSON, no body, another content type, an unknown `EVENT-SOURCE`. */
export const badRequest = (): HttpServerResponse.HttpServerResponse =>
  failure(400, "The browser (or proxy) sent a request that this server could not understand.")

/** The body breaks rules of the schema. Events have `Invalid request: ` before the dictionary, heartbeats nothing. */
export const invalid = (faults: ReadonlyArray<Fault>, prefix = ""): HttpServerResponse.HttpServerResponse =>
  failure(400, `${prefix}${dictionary(faults)}`)

/** The key is unknown or expired. */
export const invalidKey = (): HttpServerResponse.HttpServerResponse =>
  failure(401, "Invalid service account key")

/** The key is missing, for another service, or its project is not active. */
export const unauthorized = (): HttpServerResponse.HttpServerResponse =>
  failure(
    401,
    "The server could not verify that you are authorized to access the URL requested. You either supplied the wrong credentials (e.g. a bad password), or your browser doesn't understand how to supply the credentials required."
  )

/** There is no such path, or not with this method. */
export const notFound = (): HttpServerResponse.HttpServerResponse =>
  failure(
    404,
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again."
  )

/** The proxy's page for a path that it passes to nobody. */
export const proxyNotFound = (): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(
    "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
    { status: 404, contentType: "text/html" }
  )

/** The body is larger than 102 400 bytes. */
export const tooLarge = (): HttpServerResponse.HttpServerResponse => failure(413, "Request Entity Too Large")

/** An error that the server did not expect, with the number under which it logs it. */
export const unexpected = (
  message: string,
  errorId: string,
  timestamp: string
): HttpServerResponse.HttpServerResponse =>
  failure(500, "An unexpected error has occurred", { error_id: errorId, details: { timestamp, message } })

type Tree = Map<string, Tree | Array<string>>

/** Rules as Python prints the dictionary of them: `{'test_outcomes': {3: {'name': ['Field may not be null.']}}}`. */
export const dictionary = (faults: ReadonlyArray<Fault>): string => {
  const root: Tree = new Map()
  for (const { field, rule } of faults) {
    const segments =
      field === "" || field.startsWith("(")
        ? ["_schema"]
        : field.split(/[.[\]]+/).filter((segment) => segment !== "")
    const last = segments.pop() ?? "_schema"
    let tree = root
    for (const segment of segments) {
      const known = tree.get(segment)
      const inner: Tree = known instanceof Map ? known : new Map()
      if (known !== inner) tree.set(segment, inner)
      tree = inner
    }
    const rules = tree.get(last)
    if (Array.isArray(rules)) rules.push(rule)
    else if (rules === undefined) tree.set(last, [rule])
  }
  return print(root)
}

const print = (tree: Tree): string =>
  `{${[...tree].map(([key, value]) => `${/^\d+$/.test(key) ? key : quote(key)}: ${value instanceof Map ? print(value) : `[${value.map(quote).join(", ")}]`}`).join(", ")}}`

// Python prefers single quotes, and takes double ones only for a text that has single and no double quotes in it.
const quote = (text: string): string => {
  const plain = text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t")
  return plain.includes("'") && !plain.includes('"') ? `"${plain}"` : `'${plain.replaceAll("'", "\\'")}'`
}
