/**
 * Websockets within the process: they lead to the fake tool without a port, so that TestClock is in charge of them, and the
 * Handle is tested as it is, with its time-outs.
 */
import { Effect, type Fiber, Layer } from "effect"
import { Socket } from "effect/socket"
import type * as FakeMyTool from "./FakeMyTool.ts"

/** A network of websockets, on which one tool is at a time: the one that was plugged in last. */
export const network = () => {
  let tool: Tool | undefined
  return {
    /** The sockets of this network. */
    layer: Layer.effect(
      Socket.WebSocketConstructor,
      Effect.map(
        Effect.context<never>(),
        (context) => () =>
          new FakeWebSocket(tool?.isUp() === true ? tool : undefined, Effect.runForkWith(context))
      )
    ),
    /** From now on, all new sockets lead to this tool. */
    plug: (to: Tool) =>
      Effect.sync(() => {
        tool = to
      })
  }
}

// ---- private parts

type Tool = FakeMyTool.FakeMyTool["Service"]

type Listener = (event: Socket.WebSocketEvent) => void

class FakeWebSocket implements Socket.WebSocketLike {
  readyState = 0
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #tool: Tool | undefined
  readonly #fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  #talk: Fiber.Fiber<void> | undefined

  constructor(tool: Tool | undefined, fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>) {
    this.#tool = tool
    this.#fork = fork
    fork(
      Effect.map(Effect.yieldNow, () => {
        if (this.readyState !== 0) return
        if (tool === undefined) {
          this.readyState = 3
          return this.#emit("error", Object.assign(new Error("connect ECONNREFUSED"), { type: "error" }))
        }
        this.readyState = 1
        this.#emit("open", {})
      })
    )
  }

  addEventListener(type: string, listener: Listener): void {
    const all = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, all.add(listener))
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener)
  }

  send(data: string | Uint8Array): void {
    if (this.#tool === undefined || this.#talk !== undefined) return
    this.#talk = this.#fork(
      this.#tool.listen(String(data), {
        say: (text) => this.#emit("message", { data: text }),
        close: (code) => {
          this.readyState = 3
          this.#emit("close", { code })
        }
      })
    )
  }

  close(): void {
    this.readyState = 3
    this.#talk?.interruptUnsafe()
  }

  #emit(type: string, event: Socket.WebSocketEvent): void {
    this.#listeners.get(type)?.forEach((listener) => listener(event))
  }
}
