/**
 * The settings of an HTTP connection, which the connections to tools (`[http]`) and to the Observability server
 * (`[observability]`) share.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Settings from "./Settings.ts"

/** How one HTTP connection behaves. All times are durations longer than nothing; `retries` may be 0. */
export interface HttpSettings {
  /** Longest wait for an answer, per attempt; also the longest silence while its body arrives. */
  readonly readTimeout: Duration.Duration
  /**
   * Kept for older settings files. Sending counts as a part of the attempt that `readTimeout` bounds, and `NodeHttp` says so
   * in a warning when this is changed.
   */
  readonly writeTimeout: Duration.Duration
  /** Longest time for opening a connection. */
  readonly connectionTimeout: Duration.Duration
  /** Longest wait for a free connection while all `maxTotalConnections` are in use. */
  readonly poolTimeout: Duration.Duration
  /** How often a request that failed for a passing reason is sent again: 0 for never. */
  readonly retries: number
  /** How many requests may be on their way at once, each on its own connection. */
  readonly maxTotalConnections: number
  /** How many idle connections are kept open per host: 0 for none. */
  readonly maxKeepaliveConnections: number
  /** How long an idle connection is kept open. */
  readonly keepaliveExpiration: Duration.Duration
  /** Whether redirects are followed (at most ten; credentials stay behind when the origin changes). */
  readonly followRedirects: boolean
  /** Whether HTTP/2 is used where the server offers it (TLS only). */
  readonly http2: boolean
  /** Whether the server's certificate is verified. */
  readonly sslVerify: boolean
  /** A file of certificates (PEM): the authorities to trust in place of the usual ones. */
  readonly sslCertFile?: string | undefined
  /** Query parameters added to every request. */
  readonly params: Readonly<Record<string, Redacted.Redacted>>
  /** User name and password (HTTP Basic) for requests that carry no other credentials. */
  readonly auth?: readonly [username: Redacted.Redacted, password: Redacted.Redacted] | undefined
  /** Whether requests carry the headers `traceparent` and `b3`, which name our trace to the server. Not unless true. */
  readonly tracePropagation?: boolean | undefined
}

/** The settings that hold where nothing is said: those of the older framework. */
export const defaults: HttpSettings = {
  readTimeout: Duration.seconds(60),
  writeTimeout: Duration.seconds(30),
  connectionTimeout: Duration.seconds(10),
  poolTimeout: Duration.seconds(10),
  retries: 3,
  maxTotalConnections: 10,
  maxKeepaliveConnections: 5,
  keepaliveExpiration: Duration.seconds(10),
  followRedirects: true,
  http2: false,
  sslVerify: true,
  params: {},
  tracePropagation: false
}

/**
 * The fields of these settings, for every section that describes an HTTP connection. Values that may hold keys or
 * passwords (`params`, `auth`) are secret.
 */
export const fields = {
  readTimeout: Settings.seconds({
    description:
      "Longest wait for an answer, for each attempt: connecting, sending and waiting together. Also the longest silence while the answer's body arrives.",
    default: 60,
    exclusiveMinimum: 0
  }),
  writeTimeout: Settings.seconds({
    description:
      "Accepted from older settings files, and without effect of its own: sending counts within `read_timeout`.",
    default: 30,
    exclusiveMinimum: 0
  }),
  connectionTimeout: Settings.seconds({
    description: "Longest time for opening a connection.",
    default: 10,
    exclusiveMinimum: 0
  }),
  poolTimeout: Settings.seconds({
    description: "Longest wait for a free connection while all `max_total_connections` are in use.",
    default: 10,
    exclusiveMinimum: 0
  }),
  retries: Settings.integer({
    description:
      "How often a request is sent again after a failure that passes, such as a refused connection or an answer 429, 502, 503 or 504. 0 means never.",
    default: 3,
    min: 0,
    max: 100
  }),
  maxTotalConnections: Settings.integer({
    description: "How many requests may be on their way at once, each on its own connection.",
    default: 10,
    min: 1,
    max: 10_000
  }),
  maxKeepaliveConnections: Settings.integer({
    description: "How many idle connections are kept open for further requests to a host. 0 means none.",
    default: 5,
    min: 0,
    max: 10_000
  }),
  keepaliveExpiration: Settings.seconds({
    description: "How long an idle connection is kept open. 0 means not at all.",
    default: 10
  }),
  followRedirects: Settings.boolean({
    description: "Whether redirects are followed, at most ten. Credentials are not sent on to another host.",
    default: true
  }),
  http2: Settings.boolean({
    description: "Whether HTTP/2 is used with servers that offer it. It needs https.",
    default: false
  }),
  sslVerify: Settings.boolean({
    description: "Whether the server's certificate is verified. Turn it off for trials only.",
    default: true
  }),
  sslCertFile: Settings.optional(
    Settings.nonEmptyString({
      description:
        "A file of certificates in PEM form: the authorities to trust, in place of the usual ones.",
      example: "/etc/ssl/company-ca.pem"
    })
  ),
  tracePropagation: Settings.boolean({
    description:
      "Whether requests name the trace that they belong to (headers traceparent and b3), for a server that takes part in it.",
    default: false
  }),
  params: secretTexts(
    Settings.record({
      description: "Query parameters that are added to every request that has none of that name.",
      default: {}
    })
  ),
  auth: Settings.optional(
    userAndPassword(
      Settings.list(Schema.String, {
        description: "User name and password (HTTP Basic) for requests that carry no other credentials.",
        example: '["user", "password"]'
      })
    )
  )
} satisfies Settings.Fields

/** The section `[http]`: the connections to tools. */
export const HttpSettings: Settings.Section<HttpSettings> = Settings.section("http", {
  description:
    "The connections to tools. Those to the Observability server have the same settings of their own in `[observability]`.",
  fields
})

// ---- private parts

/** Texts by name, each of which may be a secret. A list of pairs is accepted too. */
function secretTexts(
  field: Settings.Field<Readonly<Record<string, string>>>
): Settings.Field<Readonly<Record<string, Redacted.Redacted>>> {
  const redact = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Redacted.make(text)]))
  return {
    ...field,
    secret: true,
    fallback: Option.map(field.fallback, redact),
    decode: (raw) => Result.map(field.decode(pairs(raw)), redact)
  }
}

const pairs = (raw: Settings.Raw): Settings.Raw => {
  if (!Array.isArray(raw)) return raw
  const entries: Array<readonly [string, Settings.Raw]> = []
  for (const pair of raw) {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") return raw
    entries.push([pair[0], pair[1]])
  }
  return Object.fromEntries(entries)
}

/** Two texts, both redacted: a user name alone may already be a secret, as it is with some services' keys. */
function userAndPassword(
  field: Settings.Field<ReadonlyArray<string>>
): Settings.Field<readonly [Redacted.Redacted, Redacted.Redacted]> {
  return {
    ...field,
    expected: "a list of two texts: user name and password",
    secret: true,
    fallback: Option.none(),
    decode: (raw) =>
      Result.flatMap(field.decode(raw), ([username, password, ...more]) =>
        username === undefined || password === undefined || more.length > 0
          ? Result.fail(undefined)
          : Result.succeed([Redacted.make(username), Redacted.make(password)] as const)
      )
  }
}
