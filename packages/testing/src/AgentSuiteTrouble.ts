/**
 * What goes wrong in a story of the conformance suite of agents: things that fail for a while, and blows that come at one moment.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { FakeObservability } from "./FakeObservability.ts"
import type { FaultyClock } from "./FaultyClock.ts"
import type { FaultyHttp } from "./FaultyHttp.ts"
import type * as FaultyStore from "./FaultyStore.ts"
import type { HttpFault } from "./HttpFault.ts"
import type { Scenario } from "./Scenario.ts"
import type { ServerFault } from "./ServerFault.ts"
import type * as SettingsFixture from "./SettingsFixture.ts"

/** All that can be made to fail. */
export interface World<S> {
  readonly scenario: S
  readonly server: FakeObservability["Service"]
  /** The network to the tool. */
  readonly network: FaultyHttp["Service"]
  readonly store: FaultyStore.FaultyStore["Service"]
  /** The clock of the agent's machine. */
  readonly clock: FaultyClock["Service"]
}

/** Something that fails for a third of the story, from a moment by chance on. */
export interface Incident<S> {
  /** What fails. What does not, is not put around the agent at all. */
  readonly who: "server" | "tool" | "network" | "store" | "clock"
  /** What it does then: `answers 500`. */
  readonly what: string
  readonly begin: (world: World<S>) => Effect.Effect<void>
  readonly end: (world: World<S>) => Effect.Effect<void>
  /** How often something was struck so far, where that is known. */
  readonly struck?: ((world: World<S>) => Effect.Effect<number>) | undefined
}

/** What goes wrong in one story; nothing, unless it is said. */
export interface Trouble<S> {
  /** What fails for a while. Several of them overlap. */
  readonly incidents?: ReadonlyArray<Incident<S>> | undefined
  /** The agent is stopped in order and started again: so many times at any moment, and as often soon after it told something. */
  readonly restarts?: number | undefined
  /** The process dies at the step of this number, the first being 1. With 0 it never does, and its steps are told. */
  readonly step?: number | undefined
  /** The server refuses one of the events with this status, however often it is sent. */
  readonly refuses?: number | undefined
  /** The server fails until something waits, the agent is stopped, and rows of its state file become illegible. */
  readonly corrupts?: boolean | undefined
  /** The settings are read again: unchanged, with these changes, and as they were. */
  readonly reloads?: SettingsFixture.Tables | undefined
}

/** The server does this. */
export const server = <S>([what, fault]: readonly [string, ServerFault]): Incident<S> => ({
  who: "server",
  what,
  begin: ({ server }) => server.fail(fault),
  end: ({ server }) => server.recover
})

/** The author's fake does this. */
export const tool = <S extends Scenario>([what, begin]: readonly [
  string,
  (scenario: S) => Effect.Effect<void>
]): Incident<S> => ({
  who: "tool",
  what,
  begin: ({ scenario }) => begin(scenario),
  end: ({ scenario }) => scenario.recover
})

/** The network to the tool does this. */
export const network = <S>([what, fault]: readonly [string, NetworkFault]): Incident<S> => ({
  who: "network",
  what,
  begin: ({ network }) => network.fail(fault.fault, { share: fault.share }),
  end: ({ network }) => network.recover,
  struck: ({ network }) =>
    Effect.map(network.requests, (all) => all.filter(({ fault }) => fault !== undefined).length)
})

/** A fault of the network to the tool, and what share of requests it strikes (0 to 1). */
export interface NetworkFault {
  readonly fault: HttpFault
  readonly share: number
}

/** The state store does this. */
export const store = <S>([what, { fault, ...when }]: readonly [string, StoreFault]): Incident<S> => ({
  who: "store",
  what,
  begin: ({ store }) => store.fail(fault, when),
  end: ({ store }) => store.recover,
  struck: ({ store }) => store.struck
})

/** A fault of the state store, and when it strikes. */
export interface StoreFault extends FaultyStore.When {
  readonly fault: FaultyStore.StoreFault
}

/** The clock of the agent's machine is wrong by this, and is then set right. */
export const clock = <S>(what: string, by: Duration.Input): Incident<S> => ({
  who: "clock",
  what,
  begin: ({ clock }) => clock.jump(by),
  end: ({ clock }) => clock.setRight
})

/** The agent's machine sleeps for so long. */
export const sleep = <S>(what: string, lasts: Duration.Input): Incident<S> => ({
  who: "clock",
  what,
  begin: ({ clock }) => clock.suspend(lasts),
  end: () => Effect.void
})
