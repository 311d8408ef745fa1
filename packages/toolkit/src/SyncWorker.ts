/**
 * The thread of the blocking client: performs its calls with the Promise client, one after the other, and keeps the
 * connections of each server open from call to call.
 */
import * as Duration from "effect/Duration"
import { runAsWorker } from "synckit"
import type { Event } from "./Event.ts"
import type { Heartbeat } from "./ObservabilityApi.ts"
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

const perform = async (client: ObservabilityClient, request: SyncCall.Request): Promise<void> => {
  switch (request._tag) {
    case "Open":
      return
    case "Post":
      // SAFETY: made by `flatten` from an Event in the calling thread; the client checks it against the contract.
      return client.post(SyncCall.restore(request.event) as Event)
    case "Heartbeat":
      // SAFETY: made by `flatten` from a Heartbeat in the calling thread; the client checks it against the contract.
      return client.heartbeat(SyncCall.restore(request.beat) as Heartbeat)
    case "Ready":
      return client.ready()
  }
}

runAsWorker<SyncCall.Perform>(async (target, request) => {
  try {
    await perform(await clientOf(target), request)
    return { _tag: "Done" }
  } catch (error) {
    return SyncCall.toAnswer(error)
  }
})
