/**
 * The thread of the blocking client: performs its calls with the Promise client, one after the other, and keeps the
 * connections of each server open from call to call.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runAsWorker } from "synckit"
import * as Event from "./Event.ts"
import { Heartbeat } from "./ObservabilityApi.ts"
import { ObservabilityClient } from "./promise.ts"
import * as SyncCall from "./SyncCall.ts"

const clients = new Map<string, Promise<ObservabilityClient>>()

const clientOf = (target: SyncCall.Target): Promise<ObservabilityClient> => {
  const name = JSON.stringify(target)
  const known = clients.get(name)
  if (known !== undefined) return known
  const client = open(target)
  clients.set(name, client)
  // A failed start is tried again by the next call.
  client.catch(() => clients.delete(name))
  return client
}

const open = async (target: SyncCall.Target): Promise<ObservabilityClient> => {
  if (target._tag === "Settings") return ObservabilityClient.fromSettings(target)
  const { baseUrl, key, readTimeout, retries } = target
  return ObservabilityClient.make({
    baseUrl,
    key,
    ...(readTimeout === undefined ? {} : { readTimeout: Duration.seconds(readTimeout) }),
    ...(retries === undefined ? {} : { retries })
  })
}

const parse = Schema.decodeEffect(Schema.fromJsonString(Schema.Unknown))
const parseHeartbeat = Schema.decodeEffect(Schema.fromJsonString(Heartbeat))

const perform = async (client: ObservabilityClient, request: SyncCall.Request): Promise<void> => {
  switch (request._tag) {
    case "Open":
      return
    case "Post":
      return client.post(
        await Effect.runPromise(
          Effect.flatMap(parse(request.body), (body) => Event.decode(request.path, body))
        )
      )
    case "Heartbeat":
      return client.heartbeat(await Effect.runPromise(parseHeartbeat(request.body)))
    case "Ready":
      return client.ready()
  }
}

runAsWorker<SyncCall.Perform>(async (target, request) => {
  try {
    const client = await clientOf(target)
    await perform(client, request)
    return { _tag: "Done", baseUrl: client.baseUrl }
  } catch (error) {
    return SyncCall.toAnswer(error)
  }
})
