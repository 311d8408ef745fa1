/**
 * The connections of the status server. Probes have to get through, whoever else connects: connections that ask for nothing
 * are cut soon, and the oldest of them at once where there are many; so are those that do not read what they asked for.
 */
import * as NodeHttp from "node:http"
import type * as NodeNet from "node:net"

/**
 * What connections may do.
 *
 * @category models
 */
export interface Limits {
  /** How many there may be. */
  readonly connections: number
  /** How many of them may be without a request that is being answered: the next one ends that which has been so for longest. */
  readonly idle: number
  /** How many milliseconds a request's head may take from the start of the connection or the end of the request before. */
  readonly head: number
  /** How many milliseconds all of a request may take. An answer may take for ever. */
  readonly request: number
  /** How many milliseconds may pass without a byte read or written. */
  readonly silence: number
  /** How often, in milliseconds, the times of requests are looked at. */
  readonly check: number
}

/**
 * The limits of the status server: many more connections than a few browsers, a scraper and an orchestrator need. Who listens
 * to `/events` gets something at least every 15 seconds.
 */
export const LIMITS: Limits = {
  connections: 128,
  idle: 64,
  head: 5000,
  request: 10_000,
  silence: 30_000,
  check: 1000
}

/** Makes a server, which does not listen yet, with these limits. */
export const make = (limits: Limits = LIMITS): NodeHttp.Server => {
  const server = NodeHttp.createServer({
    headersTimeout: limits.head,
    requestTimeout: limits.request,
    connectionsCheckingInterval: limits.check
  })
  server.maxConnections = limits.connections
  // Without a listener of its own, Node ends a connection then. Bytes that wait for their reader do not count as written.
  server.setTimeout(limits.silence)
  /** Those without a request, that which has been so for longest first. */
  const idle = new Set<NodeNet.Socket>()
  const rests = (socket: NodeNet.Socket): void => {
    idle.add(socket)
    if (idle.size <= limits.idle) return
    for (const oldest of idle) {
      idle.delete(oldest)
      oldest.destroy()
      return
    }
  }
  server.on("connection", (socket) => {
    rests(socket)
    socket.once("close", () => idle.delete(socket))
  })
  server.on("request", ({ socket }, response) => {
    idle.delete(socket)
    response.once("close", () => {
      if (!socket.destroyed) rests(socket)
    })
  })
  return server
}
