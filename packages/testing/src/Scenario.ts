/**
 * What the author of an agent tells the conformance suite of the tool: how to make things happen in its fake, and what has
 * to be reported of them. One Scenario is one fake with one story; the suite makes a new one for each life it observes.
 */
import type * as Effect from "effect/Effect"
import type * as TestNetwork from "./TestNetwork.ts"

/** One thing that happens in the tool and has to be reported once. */
export interface Expected {
  /** Names it as `identity` of the suite's options names the event. What happens twice is named twice. */
  readonly identity: string
  /** When it happens in the tool, in milliseconds since 1970: with it the suite can tell that a cursor was moved past it. */
  readonly at?: number | undefined
}

/** A fake of the tool, and a story that is played in it. */
export interface Scenario {
  /**
   * The fakes, by the host that the agent's settings name. They answer within the process and without promises, which take
   * real time that the Clock does not know of.
   */
  readonly hosts: TestNetwork.Hosts
  /**
   * Makes it all happen, from now on: called once, when the agent runs. It must not wait: time stands until it has ended, and the
   * fake shows each thing when its moment has come.
   */
  readonly play: Effect.Effect<void>
  /** All that the agent has to report of it, in any order; asked in the end. */
  readonly expected: Effect.Effect<Iterable<Expected>>
  /** Ends all faults of the tool. */
  readonly recover: Effect.Effect<void>
}
