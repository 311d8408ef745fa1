/** Bugs for the agent of one page, each with the check of the suite that finds it, and the words in which it is named. */
import type { Entry } from "@observability-agents/core/Outbox"
import { Unrecoverable } from "@observability-agents/core/Supervisor"
import { DateTime, Effect, Metric, Option, Ref, Scope } from "effect"
import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import * as Mini from "./miniAgents.ts"

/** A bug that was planted. */
export interface Planted {
  /** What the agent does. */
  readonly does: string
  /** The check that finds it, or how its name begins. */
  readonly check: string
  /** How the message begins: the name of the bug. */
  readonly named: string
  /** What stands in the findings, besides. */
  readonly words: RegExp
  readonly bug?: Mini.Bug | undefined
  /** What its check does otherwise. */
  readonly inCheck?: Mini.CheckTwist | undefined
  /** What the suite is told besides. */
  readonly more?: { readonly combinations?: number } | undefined
}

const TELLS = "tells all that happens, once and in order, and stops cleanly"
const CHECKS = "checks its tool in time, in words, and without secrets"
const DEATHS = "loses nothing and repeats nothing when the process dies, at whatever step"

const secret = (where: RegExp): RegExp =>
  new RegExp(`^secret given away: a secret of the settings stands in ${where.source}$`, "m")

const givesUp = (supervisor: Mini.World["supervisor"], message: string) =>
  supervisor.fail(new Unrecoverable({ exitCode: 70, message }))

export const planted: ReadonlyArray<Planted> = [
  {
    does: "moves its cursor when the tool did not answer",
    check: "survives a tool that answers 500",
    named: "cursor moved too early",
    words:
      /^cursor moved too early: r\d \w+ was never received\. It happened at \+0:0.* The cursor of mini page was moved past it, to /m,
    bug: () => ({ reading: Effect.orElseSucceed(() => []) })
  },
  {
    does: "tells the end before the beginning",
    check: TELLS,
    named: "order broken",
    words: /^order broken: .*r2: FAILED came before the run's RUNNING/m,
    bug: () => ({ entries: (entries) => entries.toReversed() })
  },
  {
    does: "moves its cursor before it commits what it read",
    check: DEATHS,
    named: "event lost on crash",
    words:
      /^event lost on crash: r\d \w+ was never received after the process died .* the state is committed, step \d+/m,
    bug: ({ outbox }) => ({
      commit: (commit) =>
        Effect.andThen(
          outbox.commit({ ...commit, entries: [] }),
          outbox.commit({ ...commit, cursor: undefined })
        )
    })
  },
  {
    does: "leaves a fiber with every look",
    check: TELLS,
    named: "fiber leaked",
    words: /^fiber leaked: .* forked by: look at the page$/m,
    bug: () => ({ before: () => Effect.asVoid(Effect.forkDetach(Effect.never)) })
  },
  {
    does: "leaves a fiber with every look, until its stop",
    check: TELLS,
    named: "fiber leaked",
    words:
      /^fiber leaked: when all was told \d+ fibers ran, and at first \d+, most of them forked by: look at the page$/m,
    bug: ({ scope }) => ({ before: () => Effect.asVoid(Effect.forkIn(Effect.never, scope)) })
  },
  {
    does: "logs its token",
    check: TELLS,
    named: "secret logged",
    words: /^secret logged: a secret of the settings stands in the log$/m,
    bug: ({ token }) => ({ before: () => Effect.logDebug(`asks with ${token}`) })
  },
  {
    does: "logs its token as a header writes it",
    check: TELLS,
    named: "secret logged",
    words: /^secret logged: a secret of the settings stands in the log$/m,
    bug: ({ token }) => ({
      before: () => Effect.logDebug(`asks with Basic ${Buffer.from(`mini:${token}`).toString("base64")}`)
    })
  },
  {
    does: "puts its token into events",
    check: TELLS,
    named: "secret given away",
    words: secret(/what was sent to .*run-status/),
    bug: ({ token }) => ({ entry: (entry, change) => ({ ...entry, event: Mini.event(change, { token }) }) })
  },
  {
    does: "puts its token into a span",
    check: TELLS,
    named: "secret given away",
    words: secret(/an attribute of the span Mini\.look/),
    bug: ({ token }) => ({ before: () => Effect.annotateCurrentSpan("headers", { authorization: token }) })
  },
  {
    does: "labels a metric with its token",
    check: TELLS,
    named: "secret given away",
    words: secret(/the metric looks/),
    bug: ({ token }) => ({
      before: () => Metric.update(Metric.counter("looks", { attributes: { token } }), 1)
    })
  },
  {
    does: "says in Health with which token it failed",
    check: "survives a tool that answers 500",
    named: "secret given away",
    words: secret(/a reason of Health/),
    bug: ({ health, token }) => ({
      reading: (reading) =>
        Effect.tapError(reading, () => health.failed("look at the page", `no answer for ${token}`))
    })
  },
  {
    does: "says in Health what hangs with which token",
    check: "survives a tool that never answers",
    named: "secret given away",
    words: secret(/the status page, at \/status\.json/),
    bug: ({ health, scope, token }) => {
      const hangs = Ref.makeUnsafe(false)
      const now = Effect.clockWith((clock) => clock.currentTimeMillis)
      return {
        start: health
          .watch(
            "the page",
            Effect.zipWith(Ref.get(hangs), now, (hangs, now) =>
              hangs
                ? Option.some({ since: DateTime.makeUnsafe(now), reason: `asked with ${token}` })
                : Option.none()
            )
          )
          .pipe(Effect.provideService(Scope.Scope, scope)),
        reading: (reading) =>
          Ref.set(hangs, true).pipe(Effect.andThen(reading), Effect.tap(Ref.set(hangs, false)))
      }
    }
  },
  {
    does: "makes identities of its token",
    check: "survives a server that refuses one event with 400",
    named: "secret logged",
    words: secret(/a dead letter/),
    bug: ({ token }) => ({ entry: (entry) => ({ ...entry, id: `${entry.id} ${token}` }) })
  },
  {
    does: "makes identities of its token, and stores them",
    check: "loses nothing when it is stopped and started again",
    named: "secret given away",
    words: secret(/the state file/),
    bug: ({ token }) => ({ entry: (entry) => ({ ...entry, id: `${entry.id} ${token}` }) })
  },
  {
    does: "names its Loop by its token",
    check: "prints its settings and its graph without secrets",
    named: "secret given away",
    words: secret(/the graph/),
    bug: ({ token }) => ({ loop: `look with ${token}` })
  },
  {
    does: "tells its token in its check",
    check: CHECKS,
    named: "secret given away",
    words: secret(/the answer of its check of a tool that answers 500/),
    inCheck: { words: ` Asked with ${Mini.TOKEN}.` }
  },
  {
    does: "has a check that waits for ever",
    check: CHECKS,
    named: "check without end",
    words:
      /^check without end: its check of a tool that is behind a network that goes dead within every answer had no answer after 15 minutes$/m,
    inCheck: { answer: (answer) => answer }
  },
  {
    does: "has a check that breaks",
    check: CHECKS,
    named: "check broken",
    words: /^check broken: its check of a tool that answers half did not fail in words: /m,
    inCheck: { answer: Effect.orDie }
  },
  {
    does: "has a check that fails always",
    check: CHECKS,
    named: "check failed",
    words: /^check failed: its check of a tool that is well said: The page does not answer\.$/m,
    inCheck: { answer: () => Effect.fail("no") }
  },
  {
    does: "names the same event anew with every look",
    check: TELLS,
    named: "sent twice",
    words: /^sent twice: r\d \w+ was received again/m,
    bug: () => ({
      entry: (entry, _, { to }) => ({ ...entry, id: `${entry.id} ${to.epochMilliseconds}` })
    })
  },
  {
    does: "names the same event anew after every start",
    check: "loses nothing when it is stopped and started again",
    named: "sent twice",
    words: /^sent twice: r\d \w+ was received again/m,
    bug: ({ started }) => ({ entry: (entry) => ({ ...entry, id: `${entry.id} ${started}` }) })
  },
  {
    does: "sends each event on a lane of its own",
    check: "survives a server that closes the connection",
    named: "order broken",
    words: /^order broken: /m,
    bug: () => ({ entry: (entry) => ({ ...entry, lane: `${entry.lane} ${entry.id}` }) })
  },
  {
    does: "forgets failures",
    check: TELLS,
    named: "event lost",
    words: /^event lost: r2 FAILED was never received/m,
    bug: () => ({ entries: (entries) => entries.filter(({ id }) => !id.includes("FAILED")) })
  },
  {
    does: "never ends its stop",
    check: TELLS,
    named: "did not stop",
    words: /^did not stop: it was still closing after 40 seconds/m,
    bug: ({ scope }) => ({ start: Scope.addFinalizer(scope, Effect.never) })
  },
  {
    does: "reads the clock of the machine",
    check: "does the same again when chance does the same again",
    named: "not repeatable",
    words: /^not repeatable: with the same seed line \d+/m,
    bug: () => ({ before: () => Effect.logWarning(`a look at ${process.hrtime.bigint()}`) })
  },
  {
    does: "stops reading when an event was refused",
    check: "survives a server that refuses one event with 413",
    named: "event lost",
    words: /^event lost: r\d \w+ was never received/m,
    bug: ({ outbox }) => ({
      before: () =>
        Effect.flatMap(outbox.status, ({ deadLetters }) => (deadLetters > 0 ? Effect.never : Effect.void))
    })
  },
  {
    does: "has refused events sent again",
    check: "survives a server that refuses one event with 400",
    named: "refused event sent again",
    words: /^refused event sent again: the server refused an event for good and got it \d+ times/m,
    bug: ({ outbox }) => ({
      before: () =>
        Effect.flatMap(outbox.deadLetters, (letters) => outbox.replay(letters.map(({ number }) => number)))
    })
  },
  {
    does: "drops refused events for good",
    check: "survives a server that refuses one event with 400",
    named: "refused event forgotten",
    words: /^refused event forgotten: the server refused 1 events for good, and there are 0 dead letters/m,
    bug: ({ outbox }) => ({
      before: () =>
        Effect.flatMap(outbox.deadLetters, (letters) => outbox.drop(letters.map(({ number }) => number)))
    })
  },
  {
    does: "waits for the end of an answer for ever",
    check: "survives a network that goes dead within every answer",
    named: "event lost",
    words: /^event lost: r\d \w+ was never received/m,
    bug: () => ({ answer: (answer) => answer })
  },
  {
    does: "takes rows in the order in which they come",
    check: "survives a tool that lists rows the other way round",
    named: "order broken",
    words: /^order broken: .*r2: FAILED came before the run's RUNNING/m,
    bug: () => ({ isUnsorted: true })
  },
  {
    does: "takes each row for something that happened",
    check: "survives a tool that lists each row twice",
    named: "sent twice",
    words: /^sent twice: r\d \w+ was received again/m,
    bug: () => {
      const seen = new Map<string, Set<number>>()
      let look = 0
      let last = 0
      return {
        entry: (entry, _, { to }) => {
          if (to.epochMilliseconds !== last) {
            last = to.epochMilliseconds
            look += 1
          }
          // The second row of one look counts anew.
          const looks = seen.get(entry.id) ?? new Set()
          seen.set(entry.id, looks)
          const isSecond = looks.has(look)
          looks.add(look)
          return isSecond ? { ...entry, id: `${entry.id} again` } : entry
        }
      }
    }
  },
  {
    does: "takes what it read for stored",
    check: "survives a state store that has no room left",
    named: "event lost",
    words: /^event lost: r\d \w+ was never received/m,
    bug: ({ outbox }) => {
      let stored = Option.none<Parameters<typeof outbox.commit>[0]["cursor"] & {}>()
      return {
        commit: (commit) =>
          Effect.suspend(() => {
            stored = Option.fromUndefinedOr(commit.cursor)
            return Effect.ignore(outbox.commit(commit))
          }),
        committed: Effect.sync(() => stored)
      }
    }
  },
  {
    does: "names events anew when it is told that they could not be stored",
    check: "survives a state store that commits, and says that it could not",
    named: "sent twice",
    words: /^sent twice: r\d \w+ was received again/m,
    bug: ({ outbox }) => ({
      commit: (commit) =>
        outbox.commit(commit).pipe(
          Effect.catch(() =>
            outbox.commit({
              ...commit,
              entries: commit.entries.map((entry) => ({ ...entry, id: `${entry.id} again` }))
            })
          )
        )
    })
  },
  {
    does: "does not look back",
    check: "survives a clock that is ahead for a while",
    named: "event lost",
    words: /^event lost: r\d \w+ was never received/m,
    bug: () => ({ span: (window) => window })
  },
  {
    does: "begins anew after a leap of its clock",
    check: "survives a clock that is an hour behind for a while",
    named: "event lost",
    words: /^event lost: r\d \w+ was never received/m,
    bug: () => ({
      span: ({ from, to }) => ({
        from: to.epochMilliseconds - from.epochMilliseconds > 1_800_000 ? to : from,
        to
      })
    })
  },
  {
    does: "gives up when its clock goes back",
    check: "survives a clock that is an hour behind for a while",
    named: "event lost",
    words: /^gave up: The clock went back/m,
    bug: ({ supervisor }) => {
      let last = 0
      return {
        before: ({ to }) =>
          Effect.suspend(() => {
            if (to.epochMilliseconds < last)
              return Effect.andThen(givesUp(supervisor, "The clock went back"), Effect.never)
            last = to.epochMilliseconds
            return Effect.void
          })
      }
    }
  },
  {
    does: "moves its cursor without an answer while events wait",
    check: "survives a tool and a server that fail at once",
    more: { combinations: 24 },
    named: "cursor moved too early",
    words: /^cursor moved too early: r\d \w+ was never received/m,
    bug: ({ outbox }) => ({
      reading: (reading) =>
        reading.pipe(
          Effect.catch((error) =>
            Effect.flatMap(outbox.status, ({ pending }) =>
              pending > 0 ? Effect.succeed([]) : Effect.fail(error)
            )
          )
        )
    })
  },
  {
    does: "holds back in memory what it reads while events wait",
    check: "loses nothing when the process dies while the server fails",
    more: { combinations: 6 },
    named: "event lost on crash",
    words: /^event lost on crash: r\d \w+ was never received after the process died /m,
    bug: ({ outbox }) => {
      const held: Array<Entry> = []
      return {
        commit: (commit) =>
          Effect.flatMap(outbox.status, ({ pending }) => {
            held.push(...commit.entries)
            return outbox.commit({ ...commit, entries: pending > 0 ? [] : held.splice(0) })
          })
      }
    }
  },
  {
    does: "cannot be started anew beside what stays",
    check: "loses nothing when its settings are read again",
    named: "event lost",
    words: /^settings not taken: .*cannot be put in force/m,
    bug: ({ outbox }) => ({
      start: Effect.suspend(() => {
        if (TAKEN.has(outbox)) return Effect.die(new Error("The page is watched already"))
        TAKEN.add(outbox)
        return Effect.void
      })
    })
  },
  {
    does: "gives up over rows that were set aside",
    check: "survives rows of its state file that cannot be read",
    named: "event lost",
    words: /^gave up: The state file is not whole/m,
    bug: ({ outbox, supervisor }) => ({
      before: () =>
        Effect.flatMap(outbox.verify, (remarks) =>
          remarks.length > 0
            ? Effect.andThen(givesUp(supervisor, "The state file is not whole"), Effect.never)
            : Effect.void
        )
    })
  }
]

/** The check of this name, or the first whose name begins so, of an agent with or without a bug. */
export const check = (
  name: string,
  { bug, inCheck, more }: Pick<Planted, "bug" | "inCheck" | "more"> = {},
  changes: Partial<ReturnType<typeof Mini.options>> & { readonly seed?: string } = {}
) => {
  const options = { ...Mini.options(Mini.agent(bug, inCheck)), ...more, ...changes }
  const found = AgentSuite.checks(options).find((check) => check.name.startsWith(name))
  return found?.run ?? Effect.die(new Error(`There is no check ${name}`))
}

const TAKEN = new WeakSet<object>()
