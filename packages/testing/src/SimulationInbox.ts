/**
 * The events that a simulation's server has received, and which of them the script has expected already. An event that
 * came again although the agent knew that it was accepted is a repeat, and no script expects one.
 */
import type { Witness } from "./AgentWitness.ts"
import type { Accepted } from "./FakeObservability.ts"

/** What has been read so far. */
export interface Inbox {
  /** Looks at all that the server has accepted. Gives what came again and should not have. */
  readonly look: (accepted: ReadonlyArray<Accepted>) => ReadonlyArray<Accepted>
  /** What nobody has expected so far, in order of arrival. */
  readonly unread: () => ReadonlyArray<Accepted>
  /** All that came, allowed repeats aside. */
  readonly all: () => ReadonlyArray<Accepted>
  readonly isTaken: (accepted: Accepted) => boolean
  /** These were expected. */
  readonly take: (accepted: ReadonlyArray<Accepted>) => void
}

/** An empty Inbox of a server at this URL. */
export const make = (baseUrl: string, { mayRepeat }: Witness): Inbox => {
  const base = new URL(baseUrl).pathname
  let looked = 0
  let all: Array<Accepted> = []
  let unread: Array<Accepted> = []
  const taken = new Set<Accepted>()
  const seen = new Set<string>()
  const allowed = new Map<string, number>()
  return {
    look: (accepted) => {
      // The server was told to forget.
      if (accepted.length < looked) {
        looked = 0
        all = []
        unread = []
        seen.clear()
      }
      const repeats: Array<Accepted> = []
      for (const one of accepted.slice(looked)) {
        const request = `${base}/${one.path} ${one.body}`
        if (!seen.has(request)) {
          seen.add(request)
          all.push(one)
          unread.push(one)
          continue
        }
        const times = (allowed.get(request) ?? 0) + 1
        allowed.set(request, times)
        if (times > (mayRepeat.get(request) ?? 0)) repeats.push(one)
      }
      looked = accepted.length
      return repeats
    },
    unread: () => unread,
    all: () => all,
    isTaken: (accepted) => taken.has(accepted),
    take: (accepted) => {
      for (const one of accepted) taken.add(one)
      unread = unread.filter((one) => !taken.has(one))
    }
  }
}
