/**
 * What a failure of the connection means: whether the server can have seen the request, whether trying again can
 * help, and what to tell people. An `HttpClientError` carries the platform's own error as its `cause`; this module is the
 * one place that knows those.
 */
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** A setting that cannot be put into effect, e.g. a certificate file that cannot be read. Trying again does not help. */
export class UnusableSetting extends Schema.TaggedError<UnusableSetting>()("UnusableSetting", {
  /** The setting's name, e.g. `ssl_cert_file`. */
  setting: Schema.String,
  /** What is wrong, for people; never a secret. */
  words: Schema.String
}) {
  /** The setting and what is wrong with it. */
  override get message(): string {
    return `${this.setting} cannot be used: ${this.words}`
  }
}

/** All connections were in use for longer than `pool_timeout`; the request was not sent. */
export class PoolTimeout extends Schema.TaggedError<PoolTimeout>()("PoolTimeout", {
  /** What was waited for, and for how long. */
  words: Schema.String
}) {
  /** What was waited for, and for how long. */
  override get message(): string {
    return this.words
  }
}

/** Failures of name look-up and of opening a connection, as Node and undici name them. */
const unconnected = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_PRX_CONN"
])

/** Failures of the TLS handshake, which happens before a request is sent and does not come right by itself. */
const untrusted =
  /^(CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_CERT|UNABLE_TO_|HOSTNAME_MISMATCH)/

/**
 * Whether the request certainly never reached the server: the name was not found, the connection or the TLS handshake
 * failed, or no connection was free. When it is false the server may have acted on the request.
 */
export const neverSent = (error: HttpClientError.HttpClientError): boolean => {
  switch (error.reason._tag) {
    case "EncodeError":
    case "InvalidUrlError":
      return true
    case "TransportError":
      return causes(error.reason.cause).some(
        (cause) =>
          hasTag(cause, ["PoolTimeout", "UnusableSetting", "CredentialsError"]) ||
          unconnected.has(codeOf(cause)) ||
          untrusted.test(codeOf(cause)) ||
          (Predicate.hasProperty(cause, "syscall") && cause.syscall === "connect")
      )
    default:
      return false
  }
}

/** Whether sending the request again cannot help: an untrusted certificate, an unusable setting, refused credentials. */
export const isLasting = (error: HttpClientError.HttpClientError): boolean =>
  error.reason._tag !== "TransportError" ||
  causes(error.reason.cause).some(
    (cause) => hasTag(cause, ["UnusableSetting", "CredentialsError"]) || untrusted.test(codeOf(cause))
  )

/** A failure of the connection in words, e.g. `connect ECONNREFUSED 127.0.0.1:8080`; never what was sent. */
export const words = (cause: unknown): string => {
  for (const each of causes(cause)) {
    const message = Predicate.hasProperty(each, "message") ? each.message : undefined
    const code = codeOf(each)
    if (typeof message === "string" && message !== "") {
      return code === "" || message.includes(code) ? message : `${message} (${code})`
    }
  }
  return (
    causes(cause)
      .map(codeOf)
      .find((code) => code !== "") ?? "the connection failed"
  )
}

/** A `TransportError` that says in words what happened. */
export const transport = (
  request: HttpClientRequest.HttpClientRequest,
  cause: unknown,
  description: string = words(cause)
): HttpClientError.HttpClientError =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, cause, description })
  })

// ---- private parts

/** An error, its causes, and the errors it gathers, outermost first. Bounded, because causes may form a ring. */
const causes = (error: unknown, depth = 0): ReadonlyArray<unknown> => {
  if (depth > 5 || !Predicate.isObject(error)) return []
  const gathered =
    Predicate.hasProperty(error, "errors") && Array.isArray(error.errors) ? error.errors.slice(0, 8) : []
  const inner = Predicate.hasProperty(error, "cause") ? [error.cause] : []
  return [error, ...[...gathered, ...inner].flatMap((each) => causes(each, depth + 1))]
}

const codeOf = (error: unknown): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : ""

const hasTag = (error: unknown, tags: ReadonlyArray<string>): boolean =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" && tags.includes(error._tag)
