/** `observability-agent explain RUN`: what the tool said of one run, and what became of it. */
import * as EventTitle from "@observability-agents/core/EventTitle"
import * as RunNote from "@observability-agents/core/RunNote"
import type { TrackedRun } from "@observability-agents/core/TrackedRun"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { orStateFile, usage } from "./CommandFailed.ts"
import { type Environment, json, settled, startup } from "./Environment.ts"
import * as Lane from "./Lane.ts"
import * as StateFile from "./StateFile.ts"
import * as Table from "./Table.ts"
import * as Timeline from "./Timeline.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make(
    "explain",
    {
      run: Argument.String("run").pipe(
        Argument.withDescription("The run's key, pipeline/run, or a part of it that fits one run only")
      ),
      ...StateFile.flags,
      json
    },
    (given) =>
      Effect.gen(function* () {
        const { historyRetention, reader } = yield* StateFile.open(environment, given)
        const found = Lane.find(yield* orStateFile(reader.lanes), given.run.trim())
        const sources = yield* orStateFile(reader.sources)
        const [lane] = found
        if (lane === undefined) {
          const reasons = yield* whyUnknown(environment, given, sources, historyRetention)
          if (given.json) yield* Console.log(Table.json({ run: null, reasons }))
          return yield* usage(
            [`No run is known here that fits "${EventTitle.oneLine(given.run)}".`, ...reasons].join("\n- ")
          )
        }
        if (found.length > 1) return yield* usage(ambiguous(given.run, found))

        const tracked = sources
          .flatMap(({ runs, source }) => runs.map((run) => ({ run, source })))
          .find(({ run }) => RunNote.lane(run) === lane)
        const history = yield* orStateFile(reader.history(lane))
        const isRunningKnown =
          tracked !== undefined &&
          (yield* orStateFile(reader.knows(`${tracked.run.key}#${tracked.run.opening}:RUNNING`)))
        const now = yield* DateTime.now
        const lines = Timeline.lines(history, now)
        const conclusions = Timeline.conclusions(history, {
          tracked: tracked?.run,
          isRunningKnown,
          quarantined: (yield* orStateFile(reader.quarantined)).filter((row) => row.lane === lane),
          historyRetention
        })
        if (given.json) {
          return yield* Console.log(
            Table.json({
              run: Lane.name(lane),
              source: tracked?.source ?? null,
              phase: tracked?.run.phase ?? null,
              timeline: lines.map(({ at, text, what }) => ({ at: DateTime.formatIso(at), what, text })),
              conclusions
            })
          )
        }
        const blocks = [
          heading(lane, tracked),
          ...(lines.length === 0 ? [] : [Timeline.render(lines, environment.colours)]),
          conclusions.join("\n")
        ]
        yield* Console.log(blocks.join("\n\n"))
      }).pipe(Effect.scoped)
  ).pipe(
    Command.withDescription(
      "Tells what the tool said of one run, which events were made of it, and whether the server has taken them; and why one is missing. All times are UTC. Works beside a running agent."
    ),
    Command.withShortDescription("Tells what became of one run."),
    Command.withExamples([
      { command: `${environment.name} explain 7001`, description: "By the run's key" },
      {
        command: `${environment.name} explain 1001/7001 --json`,
        description: "By pipeline and run, for scripts"
      }
    ])
  )

const heading = (
  lane: string,
  tracked: { readonly run: TrackedRun; readonly source: string } | undefined
): string => {
  const { key, run } = Lane.parse(lane)
  if (run === undefined) return EventTitle.oneLine(Lane.name(lane))
  const named = (key: string, name: string | undefined) =>
    EventTitle.oneLine(name === undefined || name === key ? key : `${key} (${name})`)
  return [
    `Run ${named(run, tracked?.run.run.name)} of pipeline ${named(key, tracked?.run.pipeline.name)}`,
    ...(tracked === undefined ? [] : [tracked.source])
  ].join(", ")
}

const MOST_SHOWN = 20

const ambiguous = (wanted: string, found: ReadonlyArray<string>): string => {
  const names = found.map((lane) => EventTitle.oneLine(Lane.name(lane))).sort()
  const more = names.length > MOST_SHOWN ? [`  and ${names.length - MOST_SHOWN} more`] : []
  return [
    `"${EventTitle.oneLine(wanted)}" fits ${Table.count(found.length, "run")}. Say more of it:`,
    ...names.slice(0, MOST_SHOWN).map((name) => `  ${name}`),
    ...more
  ].join("\n")
}

/** What may have kept a run from being known, as far as this machine can tell. */
const whyUnknown = Effect.fnUntraced(function* (
  environment: Environment,
  given: StateFile.Given,
  sources: ReadonlyArray<{ readonly source: string; readonly cursor: Option.Option<DateTime.Utc> }>,
  historyRetention: string
) {
  // Without valid settings, this one reason cannot be told.
  const omissions = yield* startup(environment, given.config).pipe(
    Effect.flatMap((started) =>
      (started.agent.omissions ?? Effect.succeed([])).pipe(Effect.provide(settled(environment, started)))
    ),
    Effect.exit,
    Effect.map((exit) => (Exit.isSuccess(exit) ? exit.value : []))
  )
  return [
    ...(sources.length === 0
      ? ["Nothing was read yet: no agent has finished a first look at its tool."]
      : sources.map(({ cursor, source }) =>
          Option.match(cursor, {
            onNone: () => `${source} was not read to the end yet.`,
            onSome: (at) =>
              `${source} was read up to ${Table.time(at)} UTC: what started later is not known yet.`
          })
        )),
    ...omissions,
    `What had ended before the agent's first start (and its \`start_from\`) is not read; \`${environment.name} backfill\` reads it.`,
    `What was delivered is remembered for ${historyRetention} (history_retention), up to history_limit events.`
  ]
})
