/**
 * The client of a running agent's status server, for the commands that look on: where it is, and what it answers. Only the
 * table `[status]` of the settings is needed, or an address on the command line.
 */
import type { Told } from "@observability-agents/core/Activity"
import { isLoopback, StatusSettings } from "@observability-agents/core/StatusSettings"
import type { Answer, Snapshot } from "@observability-agents/core/Status"
import * as Settings from "@observability-agents/toolkit/Settings"
import type { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Flag from "effect/cli/Flag"
import { CommandFailed, usage } from "./CommandFailed.ts"
import { config, type Environment } from "./Environment.ts"

/** Which agent: by the settings, or `--url URL` with `--token-file FILE`. */
export const flags = {
  config,
  url: Flag.String("url").pipe(
    Flag.withDescription(
      "Address of the agent's status server, such as http://127.0.0.1:8080. Without it: what [status] of the settings says"
    ),
    Flag.optional
  ),
  tokenFile: Flag.File("token-file", { mustExist: false }).pipe(
    Flag.withDescription("The file that holds the token of that server"),
    Flag.optional
  )
}

/** The flags as they were given. */
export interface Given {
  readonly config: Option.Option<string>
  readonly url: Option.Option<string>
  readonly tokenFile: Option.Option<string>
}

/** Where a status server is. */
export interface Target {
  /** Without a slash at the end. */
  readonly url: string
  readonly token: Redacted.Redacted | undefined
}

/** The status server cannot be asked. 69: it does not answer. 77: it does not take the token. */
export class StatusFailed extends Schema.TaggedError<StatusFailed>()("StatusFailed", {
  exitCode: Schema.Literals([69, 77]),
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
}

/** What to do where no status server is set. */
export const OFF =
  "The agent has no status server: the setting port of [status] (DK_STATUS_PORT) is not set. Set it, for example to 8080, and start the agent anew; or name the address of a running agent with --url."

/** The server that is meant; none where the settings have no port. */
export const find = Effect.fnUntraced(function* (
  environment: Environment,
  given: Given
): Effect.fn.Return<Option.Option<Target>, SettingsError | CommandFailed, FileSystem.FileSystem> {
  const sources = yield* Settings.sources({ env: environment.env, file: Option.getOrUndefined(given.config) })
  const value = <K extends "port" | "host" | "token">(field: K) =>
    Effect.mapError(
      Effect.fromOption(Settings.value(sources, StatusSettings, field)),
      () =>
        new CommandFailed({
          exitCode: 78,
          message: `The setting ${field} of [status] is not valid. \`${environment.name} config show\` says what is wrong with it.`
        })
    )
  const host = yield* value("host")
  const token = Option.isSome(given.tokenFile) ? yield* tokenOf(given.tokenFile.value) : yield* value("token")
  if (Option.isSome(given.url)) {
    const url = /^https?:\/\//i.test(given.url.value) ? given.url.value : `http://${given.url.value}`
    if (!URL.canParse(url)) {
      return yield* usage("What --url names is no address; it looks like http://127.0.0.1:8080.")
    }
    const { hostname, origin, searchParams } = new URL(url)
    const inUrl = searchParams.get("token")
    // The token of the settings is for the server of the settings: nobody else gets to see it.
    const isOurs = Option.isSome(given.tokenFile) || isLoopback(hostname) || hostname === host
    return Option.some({
      url: origin,
      token: inUrl === null ? (isOurs ? token : undefined) : Redacted.make(inUrl)
    })
  }
  const port = yield* value("port")
  if (port === undefined) return Option.none()
  if (port === 0) {
    return yield* usage(
      "The agent takes any port that is free (port = 0 of [status]), and says in its log which: name it with --url."
    )
  }
  return Option.some({ url: `http://${reachable(host)}:${port}`, token })
})

/** The server that is meant; where there is none, it is said how to have one. */
export const require = (environment: Environment, given: Given) =>
  Effect.flatMap(
    find(environment, given),
    Option.match({
      onNone: () => Effect.fail(new CommandFailed({ exitCode: 78, message: OFF })),
      onSome: Effect.succeed
    })
  )

/** How the agent stands. */
export const snapshot = (target: Target): Effect.Effect<Snapshot, StatusFailed, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const document = yield* json(target, yield* get(target, "/status.json"))
    const missing = PARTS.filter((name) => !Predicate.hasProperty(document, name))
    if (missing.length === PARTS.length) return yield* strange(target)
    if (missing.length > 0) {
      return yield* new StatusFailed({
        exitCode: 69,
        message: `The agent at ${target.url} is of another release: what it says of itself has no ${missing.join(", ")}. Use the program of its release.`
      })
    }
    // SAFETY: it is the document of a status server, and has all parts that are shown.
    return document as unknown as Snapshot
  })

/** What is shown of it. */
const PARTS: ReadonlyArray<keyof Snapshot> = [
  "agent",
  "at",
  "startedAt",
  "ready",
  "live",
  "heartbeat",
  "parts",
  "sources",
  "loops",
  "channels",
  "outbox",
  "lastMinute",
  "problems"
]

/** Whether the agent is ready, or live. */
export const health = (
  target: Target,
  kind: "ready" | "live"
): Effect.Effect<Answer, StatusFailed, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const document = yield* json(target, yield* get(target, `/health/${kind}`, [503]))
    if (!Predicate.hasProperty(document, "ok") || typeof document.ok !== "boolean")
      return yield* strange(target)
    const reasons = Predicate.hasProperty(document, "reasons") ? document.reasons : undefined
    // SAFETY: the reasons of a status server are such; without a token there are none.
    return { ok: document.ok, reasons: (reasons ?? []) as Answer["reasons"] }
  })

/** All news from now on, until the connection ends. Times in it are texts. */
export const news = (target: Target): Stream.Stream<Told, StatusFailed, HttpClient.HttpClient> =>
  Stream.unwrap(
    Effect.map(get(target, "/events?snapshots=no"), (response) =>
      response.stream.pipe(
        Stream.decodeText(),
        Stream.pipeThroughChannel(Sse.decode<HttpClientError.HttpClientError, unknown>()),
        Stream.filter(({ event }) => event === "activity"),
        Stream.mapEffect(({ data }) => told(target, data)),
        Stream.mapError((error) =>
          error instanceof StatusFailed ? error : unanswered(target, "the connection ended")
        )
      )
    )
  )

// ---- private

const tokenOf = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(fs.readFileString(file), () =>
    usage(
      `The file ${file} (--token-file) cannot be read: check that it is there, and that this user may read it.`
    )
  )
  return Redacted.make(text.trim())
})

/** A server that listens on all addresses is reached by that of this machine. */
const reachable = (host: string): string => {
  const bare = host.trim().replace(/^\[(.*)\]$/, "$1")
  if (bare === "0.0.0.0") return "127.0.0.1"
  if (bare === "::") return "[::1]"
  return !isLoopback(host) && !bare.includes(":") ? bare : bare.includes(":") ? `[${bare}]` : bare
}

const get = Effect.fnUntraced(function* (
  target: Target,
  path: string,
  accepted: ReadonlyArray<number> = []
): Effect.fn.Return<HttpClientResponse.HttpClientResponse, StatusFailed, HttpClient.HttpClient> {
  const { token, url } = target
  const request = HttpClientRequest.get(`${url}${path}`)
  const response = yield* HttpClient.execute(
    token === undefined ? request : HttpClientRequest.bearerToken(request, token)
  ).pipe(
    Effect.timeout("10 seconds"),
    Effect.mapError((error) => unanswered(target, why(error)))
  )
  const { status } = response
  if (status === 200 || accepted.includes(status)) return response
  if (status === 401) {
    return yield* new StatusFailed({
      exitCode: 77,
      message: `The status server of the agent at ${url} wants its token: ${token === undefined ? "none was given" : "the one that was given is another"}. It is the setting token of [status] (DK_STATUS_TOKEN, DK_STATUS_TOKEN_FILE), or give it with --token-file.`
    })
  }
  const words = (yield* Effect.orElseSucceed(response.text, () => "")).trim()
  if (status === 421 || status === 503) return yield* unanswered(target, `it says: ${words}`)
  return yield* strange(target)
})

const why = (error: unknown): string => {
  if (!HttpClientError.isHttpClientError(error)) return "it gave no answer within 10 seconds"
  const { reason } = error
  const cause = "cause" in reason ? reason.cause : undefined
  const inner = Predicate.hasProperty(cause, "cause") ? cause.cause : cause
  const code = Predicate.hasProperty(inner, "code") ? String(inner.code) : ""
  if (code === "ECONNREFUSED") return "nobody listens there"
  if (code === "ENOTFOUND") return "no name server knows the host"
  return code === "" ? "the connection failed" : `the connection failed (${code})`
}

const unanswered = ({ url }: Target, reason: string): StatusFailed =>
  new StatusFailed({
    exitCode: 69,
    message: `The agent's status server at ${url} does not answer: ${reason}. Is the agent running, with this port of [status]?`
  })

const strange = ({ url }: Target): StatusFailed =>
  new StatusFailed({
    exitCode: 69,
    message: `What answers at ${url} is no status server of an agent. Check --url, or port of [status].`
  })

const json = (target: Target, response: HttpClientResponse.HttpClientResponse) =>
  Effect.mapError(response.json, () => strange(target))

const told = (target: Target, data: string): Effect.Effect<Told, StatusFailed> =>
  Effect.try({
    try: () =>
      // SAFETY: news as the status server writes them.
      JSON.parse(data) as Told,
    catch: () => strange(target)
  })
