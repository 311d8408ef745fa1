/**
 * Observability for programs that block: every method returns when the server has answered, or throws. The work is
 * done in a thread of its own (by `synckit`) while the calling thread waits. Nothing else runs there meanwhile, so this
 * is for scripts, not for servers.
 *
 * ```ts
 * import * as Event from "@observability-agents/toolkit/Event"
 * import { ObservabilityClient } from "@observability-agents/toolkit/sync"
 *
 * const client = ObservabilityClient.fromSettings()
 * client.post(Event.runStatus({ pipelineKey: "nightly-load", runKey: "2026-01-31", status: "RUNNING" }))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createSyncFn } from "synckit"
import * as Event from "./Event.ts"
import * as Observability from "./Observability.ts"
import type { Heartbeat } from "./ObservabilityApi.ts"
import * as SyncCall from "./SyncCall.ts"

/**
 * The blocking client. Its methods throw an `ObservabilityError`; `fromSettings` throws a `SettingsError`.
 */
export class ObservabilityClient {
  readonly #target: SyncCall.Target
  /** Where the server is, without user name, password and query. */
  readonly baseUrl: string

  private constructor(target: SyncCall.Target, baseUrl: string) {
    this.#target = target
    this.baseUrl = baseUrl
  }

  /** A client for one server. Nothing is sent yet. */
  static make(options: {
    /** All that stands before `events/…` and `agent/…`, with or without a slash at the end. */
    readonly baseUrl: string
    /** The service account key; it must allow both the Events API and the Agent API. */
    readonly key: string | Redacted.Redacted
    /** Seconds until an attempt counts as failed. Default 60. */
    readonly readTimeout?: number
    /** How often a request that failed for a passing reason is sent again. Default 3. */
    readonly retries?: number
  }): ObservabilityClient {
    const { baseUrl, readTimeout, retries } = options
    const target: SyncCall.Target = {
      _tag: "Options",
      baseUrl,
      key: Redacted.isRedacted(options.key) ? Redacted.value(options.key) : options.key,
      ...(readTimeout === undefined ? {} : { readTimeout }),
      ...(retries === undefined ? {} : { retries })
    }
    return new ObservabilityClient(target, Observability.shownBaseUrl(baseUrl))
  }

  /**
   * A client for the server that the settings name: `agent.toml` and the variables `DK_OBSERVABILITY_…`, as an agent
   * reads them. Throws a `SettingsError` that lists all that is wrong.
   */
  static fromSettings(options?: { readonly file?: string }): ObservabilityClient {
    const target: SyncCall.Target = {
      _tag: "Settings",
      ...(options?.file === undefined ? {} : { file: options.file })
    }
    return new ObservabilityClient(target, call(target, { _tag: "Open" }))
  }

  /** Sends one event; returns when the server has queued it. */
  post(event: Event.Event): void {
    const body = Effect.runSync(Observability.encode(event, this.baseUrl))
    call(this.#target, { _tag: "Post", path: Event.path(event), body })
  }

  /** Sends a sign of life of an agent. */
  heartbeat(beat: Heartbeat): void {
    const body = Effect.runSync(Observability.encodeHeartbeat(beat, this.baseUrl))
    call(this.#target, { _tag: "Heartbeat", body })
  }

  /** Asks whether the server is ready. Does not check the key. */
  ready(): void {
    call(this.#target, { _tag: "Ready" })
  }
}

// ---- private parts

/** Has it done, and gives the server's address. */
const call = (target: SyncCall.Target, request: SyncCall.Request): string => {
  const answer = thread(target, request)
  if (answer._tag === "Failed") throw SyncCall.toError(answer)
  return answer.baseUrl
}

/** Starts with the first call, one thread for all clients; it does not keep the program alive. */
const thread = (target: SyncCall.Target, request: SyncCall.Request): SyncCall.Answer => {
  const file = import.meta.url.endsWith(".ts") ? "./SyncWorker.ts" : "./SyncWorker.js"
  return createSyncFn<SyncCall.Perform>(new URL(file, import.meta.url), { execArgv: process.execArgv })(
    target,
    request
  )
}
