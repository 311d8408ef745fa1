/** Simulations of the agent of a board, and what tests of them have in common. */
import type { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Simulation } from "@observability-agents/testing/Simulation"
import { it } from "@effect/vitest"
import { type DateTime, Effect, type Layer } from "effect"
import { agent, Board, type Bug, TOKEN } from "./notices.ts"

export interface Setup {
  readonly bug?: Bug
  readonly runs?: Parameters<typeof Board.layer>[0]
  readonly seed?: string | undefined
  readonly store?: "memory" | "file"
  readonly startAt?: DateTime.DateTime
  readonly autoStart?: boolean
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** A run of one task, from 1 to 3 minutes after the start; the agent looks every 20 seconds. */
export const ONE_RUN: Setup["runs"] = { r1: ["1 minute", "2 minutes"] }

export const OPENING = ["RUNNING", "task load RUNNING"]
export const END = ["task load COMPLETED", "COMPLETED"]

export const simulation = <A = never>(
  { autoStart, bug, runs = ONE_RUN, seed, settings, startAt, store }: Setup = {},
  around?: Layer.Layer<A>
) =>
  Simulation.layer(agent(bug), {
    around,
    tool: Board.layer(runs),
    hosts: Effect.map(Board, ({ client }) => ({ "board.test": client })),
    settings: { board: { host: "board.test", token: TOKEN }, ...settings },
    secrets: [TOKEN],
    autoStart,
    seed,
    startAt,
    store
  })

/** A test of its own simulation. */
export const test = <A, E>(
  name: string,
  body: (sim: Simulation["Service"]) => Effect.Effect<A, E, Simulation | FakeObservability | Board>,
  setup?: Setup
) => it.effect(name, () => Effect.flatMap(Simulation, body).pipe(Effect.provide(simulation(setup))))

/** The message of what fails; what does not is a failure. */
export const message = <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

/** The report without its timeline. */
export const report = <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>) =>
  Effect.map(message(effect), (text) => text.split("\nSeed: ")[0]?.split("\n") ?? [])
