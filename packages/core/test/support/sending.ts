/** A scripted Observability Handle, and the layers around an EventSender, for its tests. */
import { Duration, Effect, Layer } from "effect"
import { type Event, messageLog } from "@observability-agents/toolkit/Event"
import { Observability } from "@observability-agents/toolkit/Observability"
import {
  ObservabilityError,
  Rejected,
  type Reason,
  Unauthorized,
  Unavailable
} from "@observability-agents/toolkit/ObservabilityError"
import type * as EventSender from "../../src/EventSender.ts"
import { Health } from "../../src/Health.ts"
import { type Entry, Outbox } from "../../src/Outbox.ts"
import * as OutboxMemory from "../../src/OutboxMemory.ts"
import { Supervisor } from "../../src/Supervisor.ts"
import { at } from "./runs.ts"

export const entry = (lane: string, id: string): Entry => ({
  id,
  lane,
  event: messageLog({ pipelineKey: "p", runKey: lane, level: "INFO", message: id, timestamp: at(1) })
})

/** What the tests call an event: its message. */
export const nameOf = (event: Event): string => (event._tag === "MessageLog" ? event.message : event._tag)

const error = (reason: Reason) => new ObservabilityError({ method: "post", url: "http://server/", reason })
export const rejected = error(new Rejected({ status: 400, words: "status: Must be one of" }))
export const unauthorized = error(new Unauthorized({ status: 401, words: "Invalid service account key" }))
export const unavailable = (status: number, retryAfter?: Duration.Duration) =>
  error(
    new Unavailable({
      status,
      words: `answer ${status}`,
      possiblyDelivered: false,
      ...(retryAfter === undefined ? {} : { retryAfter })
    })
  )

/** Whether the server takes an event: by its name, and by how many posts there were so far. */
type Answer = (name: string, post: number) => Effect.Effect<void, ObservabilityError>

/** A server at the level of the Handle: `answer` decides about each post; `posts` and `taken` are what came and stayed. */
export interface Server {
  readonly posts: Array<string>
  readonly taken: Array<string>
  answer: Answer
  readonly layer: Layer.Layer<Observability>
}

export const makeServer = (answer: Answer = () => Effect.void): Server => {
  const server: Server = {
    posts: [],
    taken: [],
    answer,
    layer: Layer.succeed(
      Observability,
      Observability.of({
        post: (event) =>
          Effect.suspend(() => {
            const name = nameOf(event)
            server.posts.push(name)
            return Effect.map(server.answer(name, server.posts.length), () => void server.taken.push(name))
          }),
        heartbeat: () => Effect.void,
        ready: Effect.void,
        authorized: Effect.void
      })
    )
  }
  return server
}

/** Everything that an EventSender needs save the server. */
export const base = Layer.mergeAll(OutboxMemory.layer(), Health.layer, Supervisor.layer)

export const options: EventSender.Options = {
  concurrency: 2,
  retryMaximum: Duration.seconds(60),
  unauthorizedRetryPeriod: Duration.seconds(60),
  maxServerErrors: 5
}

export const commit = (...entries: ReadonlyArray<Entry>) =>
  Effect.flatMap(Outbox, (outbox) => outbox.commit({ source: "s", runs: [], forget: [], entries }))
