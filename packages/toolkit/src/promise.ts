/**
 * Observability for programs that use promises: one class over the same client that the Effect way uses, with its
 * checks, time-outs, retries and errors.
 *
 * ```ts
 * import * as Event from "@observability-agents/toolkit/Event"
 * import { ObservabilityClient } from "@observability-agents/toolkit/promise"
 *
 * await using client = await ObservabilityClient.fromSettings()
 * await client.post(Event.runStatus({ pipelineKey: "nightly-load", runKey: "2026-01-31", status: "RUNNING" }))
 * ```
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import type { Event } from "./Event.ts"
import type { HttpSettings } from "./HttpSettings.ts"
import * as NodeHttp from "./NodeHttp.ts"
import * as Observability from "./Observability.ts"
import type { Heartbeat } from "./ObservabilityApi.ts"
import type { ObservabilityError } from "./ObservabilityError.ts"
import { ObservabilitySettings } from "./ObservabilitySettings.ts"
import * as Settings from "./Settings.ts"

/**
 * Where the server is, the service account key, and whatever of the connection shall not be as by default.
 */
export interface Options extends Partial<HttpSettings> {
  /** All that stands before `events/…` and `agent/…`, with or without a slash at the end. */
  readonly baseUrl: string
  /** The service account key; it must allow both the Events API and the Agent API. */
  readonly key: string | Redacted.Redacted
}

/**
 * The client. Its methods reject with an `ObservabilityError`, whose `reason` says what kind of failure it was:
 * `Rejected` (the event breaks a rule), `Unauthorized` (the key), `Unavailable` (try again later; `possiblyDelivered`
 * tells whether it may have arrived all the same).
 */
export class ObservabilityClient {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Observability.Observability, never>
  #closed = false
  /** Where the server is, without user name, password and query. */
  readonly baseUrl: string

  private constructor(layer: Layer.Layer<Observability.Observability>, baseUrl: string) {
    this.#runtime = ManagedRuntime.make(layer)
    this.baseUrl = Observability.shownBaseUrl(baseUrl)
  }

  /** A client for one server. Nothing is sent yet. */
  static make(options: Options): ObservabilityClient {
    const key = Redacted.isRedacted(options.key) ? options.key : Redacted.make(options.key)
    return new ObservabilityClient(
      Layer.effect(Observability.Observability, Observability.make({ ...options, key })).pipe(
        Layer.provide(NodeHttp.layer)
      ),
      options.baseUrl
    )
  }

  /**
   * A client for the server that the settings name: `agent.toml` and the variables `DK_OBSERVABILITY_…`, as an agent
   * reads them. Rejects with a `SettingsError` that lists all that is wrong.
   */
  static async fromSettings(options?: { readonly file?: string }): Promise<ObservabilityClient> {
    const { serviceAccountKey, ...settings } = await Settings.sources({ ...options, env: process.env }).pipe(
      Effect.flatMap((sources) =>
        ObservabilitySettings.config.pipe(Effect.provide(Settings.layer(sources, [ObservabilitySettings])))
      ),
      Effect.provide(NodeFileSystem.layer),
      Effect.runPromise
    )
    return ObservabilityClient.make({ ...settings, key: serviceAccountKey })
  }

  /** Sends one event; done when the server has queued it. */
  post(event: Event): Promise<void> {
    return this.#run((observability) => observability.post(event))
  }

  /** Sends a sign of life of an agent. */
  heartbeat(beat: Heartbeat): Promise<void> {
    return this.#run((observability) => observability.heartbeat(beat))
  }

  /** Asks whether the server is ready. Does not check the key. */
  ready(): Promise<void> {
    return this.#run((observability) => observability.ready)
  }

  /** Closes the connections. The client cannot be used afterwards: further calls reject with an Error. */
  close(): Promise<void> {
    this.#closed = true
    return this.#runtime.dispose()
  }

  /** See {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
  #run(
    call: (observability: Observability.Observability["Service"]) => Effect.Effect<void, ObservabilityError>
  ): Promise<void> {
    return this.#closed
      ? Promise.reject(
          new Error(
            "This ObservabilityClient is closed: make a new one, or close it only after its last call."
          )
        )
      : this.#runtime.runPromise(Observability.Observability.use(call))
  }
}
