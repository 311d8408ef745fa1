/**
 * A TCP proxy on a port of the loopback interface, between a program and a server, for what only real sockets do: connections
 * that are refused, reset, slow, cut off, or dead without a word. It knows nothing of HTTP.
 *
 * Its latency and its bandwidth go by the Clock. Everything ends with the scope: the port, the connections, and what still waits.
 *
 * ```ts
 * import * as NodeFaultyProxy from "@observability-agents/testing/NodeFaultyProxy"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const proxy = yield* NodeFaultyProxy.make({ target: { host: "127.0.0.1", port: 4020 } })
 *   yield* Effect.logInfo(`Let the program under test reach http://127.0.0.1:${proxy.port}`)
 *   yield* Effect.sleep("5 seconds")
 *   yield* proxy.set(NodeFaultyProxy.halfOpen)
 *   yield* Effect.sleep("5 seconds")
 *   yield* proxy.set(NodeFaultyProxy.pass)
 * }).pipe(Effect.scoped)
 * ```
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as NodeNet from "node:net"

/** What the proxy does with connections. */
export type Behaviour = Data.TaggedEnum<{
  /** Passes everything on. */
  Pass: {}
  /** Passes the server's bytes on later, and at most so many of them per second. */
  Slow: { readonly latency: Duration.Duration; readonly bytesPerSecond: number }
  /** Passes so many of the server's bytes on, and then nothing any more in either direction. Nobody closes the connection. */
  Dead: { readonly bytes: number }
  /** Passes so many of the server's bytes on, and then resets the connection (RST). */
  Reset: { readonly bytes: number }
  /** The port is closed, and so are the connections. */
  Refuse: {}
}>

const { Dead, Pass, Refuse, Reset, Slow } = Data.taggedEnum<Behaviour>()

/** Passes everything on. */
export const pass: Behaviour = Pass()

/** The server's bytes come later, and at most so many per second. */
export const slow = (options: {
  readonly latency?: Duration.Input | undefined
  readonly bytesPerSecond?: number | undefined
}): Behaviour =>
  Slow({
    latency: Duration.fromInputUnsafe(options.latency ?? 0),
    bytesPerSecond: options.bytesPerSecond ?? Infinity
  })

/** Connections are accepted, and then there is silence. It strikes those that are open too: a host that lost its power. */
export const halfOpen: Behaviour = Dead({ bytes: 0 })

/** The same after so many bytes of what the server says, on each connection. */
export const deadAfter = (bytes: number): Behaviour => Dead({ bytes })

/** Connections are reset (RST): at once, open ones too, or after so many bytes of what the server says. */
export const reset = (bytes = 0): Behaviour => Reset({ bytes })

/** Nobody listens on the port. Open connections are reset. */
export const refuse: Behaviour = Refuse()

/** A proxy that runs. */
export interface NodeFaultyProxy {
  /** The port of 127.0.0.1 on which it listens; the same for its whole life. */
  readonly port: number
  /** From now on, this. A connection that has died stays dead. */
  readonly set: (behaviour: Behaviour) => Effect.Effect<void>
  /** How many connections were accepted so far, and how many of them are open. */
  readonly connections: Effect.Effect<{ readonly accepted: number; readonly open: number }>
}

/** Starts a proxy to this server, which passes everything on at first. A port that cannot be had is a defect. */
export const make = Effect.fnUntraced(function* (options: {
  readonly target: { readonly host: string; readonly port: number }
  /** A port of 127.0.0.1; by default any that is free. */
  readonly port?: number | undefined
}): Effect.fn.Return<NodeFaultyProxy, never, Scope.Scope> {
  const run = yield* FiberSet.makeRuntime()
  const open = new Set<Connection>()
  let accepted = 0
  let behaviour: Behaviour = pass

  /** Passes what comes from one side on to the other, until that side ends. */
  const carry = (connection: Connection, from: NodeNet.Socket, to: NodeNet.Socket) =>
    Effect.gen(function* () {
      for (;;) {
        const bytes = yield* read(from)
        if (bytes === undefined) break
        yield* from === connection.server ? answer(connection, bytes) : write(connection, to, bytes)
      }
      if (!connection.isDead) to.end()
      // It is gone, and whoever is dead says no more.
      else if (from === connection.client) from.destroy()
    })

  const answer = Effect.fnUntraced(function* (connection: Connection, bytes: Buffer) {
    const { client } = connection
    const now = behaviour
    if (now._tag === "Slow") {
      yield* Effect.sleep(now.latency)
      const size = Math.max(1, Math.floor(now.bytesPerSecond / PIECES_PER_SECOND))
      for (let at = 0; at < bytes.length; at += size) {
        const piece = bytes.subarray(at, at + size)
        yield* Effect.sleep(Duration.seconds(piece.length / now.bytesPerSecond))
        yield* write(connection, client, piece)
      }
      return
    }
    const left = now._tag === "Dead" || now._tag === "Reset" ? now.bytes - connection.passed : Infinity
    yield* write(connection, client, bytes.subarray(0, Math.max(0, left)))
    if (bytes.length < left) return
    if (now._tag === "Dead") connection.isDead = true
    // What was written has to leave first: a reset throws away what still waits.
    if (now._tag === "Reset")
      yield* Effect.andThen(
        flushed(client),
        Effect.sync(() => client.resetAndDestroy())
      )
  })

  const write = (connection: Connection, to: NodeNet.Socket, bytes: Uint8Array) =>
    Effect.sync(() => {
      if (connection.isDead || to.destroyed || bytes.length === 0) return
      if (to === connection.client) connection.passed += bytes.length
      to.write(bytes)
    })

  const accept = (client: NodeNet.Socket) => {
    accepted += 1
    const server = NodeNet.connect({ ...options.target, allowHalfOpen: true })
    const connection = { client, server, passed: 0, isDead: false }
    open.add(connection)
    // Whoever breaks the connection is felt on the other side, as long as that hears anything.
    client
      .on("error", () => server.destroy())
      .on("close", () => {
        open.delete(connection)
        server.destroy()
      })
    server.on("error", () => {
      if (!connection.isDead) client.resetAndDestroy()
    })
    strike(connection)
    run(carry(connection, client, server))
    run(carry(connection, server, client))
  }

  /** What the behaviour does to a connection at once. */
  const strike = (connection: Connection) => {
    connection.passed = 0
    if (behaviour._tag === "Dead" && behaviour.bytes === 0) connection.isDead = true
    if (behaviour._tag === "Refuse" || (behaviour._tag === "Reset" && behaviour.bytes === 0)) {
      connection.client.resetAndDestroy()
    }
  }

  const listener = NodeNet.createServer({ allowHalfOpen: true, noDelay: true }, accept)
  const listen = (port: number) =>
    Effect.callback<void>((resume) => {
      const failed = (error: Error) => resume(Effect.die(error))
      listener.once("error", failed)
      listener.listen(port, "127.0.0.1", () => {
        listener.off("error", failed)
        resume(Effect.void)
      })
    })
  // Closing waits for the connections, so these are ended first.
  const close = Effect.callback<void>((resume) => {
    for (const { client, server } of open) {
      client.resetAndDestroy()
      server.destroy()
    }
    listener.close(() => resume(Effect.void))
  })
  yield* Effect.acquireRelease(listen(options.port ?? 0), () => close)
  const address = listener.address()
  const port = typeof address === "object" && address !== null ? address.port : 0

  return {
    port,
    set: Effect.fnUntraced(function* (next) {
      behaviour = next
      for (const connection of open) strike(connection)
      if (next._tag === "Refuse") return yield* listener.listening ? close : Effect.void
      if (!listener.listening) yield* listen(port)
    }),
    connections: Effect.sync(() => ({ accepted, open: open.size }))
  }
})

// ---- private

interface Connection {
  readonly client: NodeNet.Socket
  readonly server: NodeNet.Socket
  /** Bytes of the server's that were passed on, since the behaviour is what it is. */
  passed: number
  isDead: boolean
}

/** In how many pieces the bytes of a second come, if there are that many. */
const PIECES_PER_SECOND = 20

/** What comes next; undefined when the other side has ended, or the socket is closed. */
const read = (socket: NodeNet.Socket): Effect.Effect<Buffer | undefined> =>
  Effect.callback((resume) => {
    const look = () => {
      const bytes: Buffer | null = socket.read()
      if (bytes !== null) finish(bytes)
      else if (socket.readableEnded || socket.destroyed) finish(undefined)
    }
    const events = ["readable", "end", "close"] as const
    const forget = () => events.forEach((event) => socket.off(event, look))
    const finish = (bytes: Buffer | undefined) => {
      forget()
      resume(Effect.succeed(bytes))
    }
    for (const event of events) socket.on(event, look)
    look()
    return Effect.sync(forget)
  })

/** Waits until what was written to a socket has been given to the operating system. */
const flushed = (socket: NodeNet.Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.destroyed || socket.writableLength === 0) resume(Effect.void)
    else socket.write("", () => resume(Effect.void))
  })
