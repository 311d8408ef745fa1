/** `observability-agent outbox`: how the state file stands, and whether it is sound. */
import * as Outbox from "@observability-agents/core/Outbox"
import * as EventTitle from "@observability-agents/core/EventTitle"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import { orStateFile, stateFile } from "./CommandFailed.ts"
import { type Environment, json } from "./Environment.ts"
import * as StateFile from "./StateFile.ts"
import * as Table from "./Table.ts"

/** The command with its subcommands. */
export const make = (environment: Environment) =>
  Command.make("outbox").pipe(
    Command.withDescription(
      "Looks at the state file: what was read, what is still to be sent, and whether the file is sound. Works beside a running agent."
    ),
    Command.withShortDescription("Shows how the state file stands, and verifies it."),
    Command.withSubcommands([status(environment), verify(environment)])
  )

const status = (environment: Environment) =>
  Command.make("status", { ...StateFile.flags, json }, (given) =>
    Effect.gen(function* () {
      const { historyRetention, reader } = yield* StateFile.open(environment, given)
      const summary = yield* orStateFile(reader.summary)
      const sources = yield* orStateFile(reader.sources)
      const now = yield* DateTime.now
      if (given.json) {
        return yield* Console.log(
          Table.json({
            file: reader.path,
            in_use_by: Option.getOrNull(reader.holder),
            waiting: {
              events: summary.pending,
              runs: summary.lanes,
              bytes: summary.bytes,
              oldest: Table.isoOrNull(summary.oldestPending),
              retrying: summary.retrying,
              last_error: Option.getOrNull(summary.lastError)
            },
            delivered: summary.delivered,
            latest_delivered: Table.isoOrNull(summary.latestDelivered),
            dead_letters: summary.deadLetters,
            quarantined: summary.quarantined,
            history: summary.history,
            identities: summary.identities,
            sources: sources.map(({ cursor, runs, source }) => ({
              source,
              read_up_to: Table.isoOrNull(cursor),
              tracked_runs: runs.length,
              open_runs: runs.filter(({ phase }) => phase === "Running").length
            }))
          })
        )
      }
      const age = (at: DateTime.Utc) => Table.span(now.epochMilliseconds - at.epochMilliseconds)
      yield* Console.log(
        Table.pairs([
          ["State file", reader.path],
          ["In use by", Option.getOrElse(reader.holder, () => "nobody: no agent is running on it")],
          [
            "Waiting",
            Option.match(summary.oldestPending, {
              onNone: () => "nothing: everything was sent",
              onSome: (oldest) =>
                `${Table.count(summary.pending, "event")} of ${Table.count(summary.lanes, "run")} (${Table.bytes(summary.bytes)}), the oldest since ${Table.time(oldest)} UTC (${age(oldest)})`
            })
          ],
          ...(summary.retrying === 0
            ? []
            : [
                [
                  "Retrying",
                  `${Table.count(summary.retrying, "event")}; last error: ${EventTitle.cut(
                    Option.getOrElse(summary.lastError, () => "none"),
                    100
                  )}`
                ] as const
              ]),
          [
            "Delivered",
            `${Table.count(summary.delivered, "event")}${Option.match(summary.latestDelivered, {
              onNone: () => "",
              onSome: (latest) => `, the newest of ${Table.time(latest)} UTC`
            })}`
          ],
          [
            "Dead letters",
            summary.deadLetters === 0
              ? "none"
              : `${summary.deadLetters.toLocaleString("en")} of at most ${Outbox.DEAD_LETTER_CAPACITY.toLocaleString("en")}; see \`${environment.name} dead-letters list\``
          ],
          ...(summary.quarantined === 0
            ? []
            : [
                [
                  "Unreadable",
                  `${Table.count(summary.quarantined, "row")} set aside; see \`${environment.name} outbox verify\``
                ] as const
              ]),
          [
            "History",
            `${Table.count(summary.history.delivered, "delivered event")} and ${Table.count(summary.history.notes, "note")} (kept for ${historyRetention})`
          ],
          ...sources.map(({ cursor, runs, source }) => {
            const open = runs.filter(({ phase }) => phase === "Running").length
            const read = Option.match(cursor, {
              onNone: () => "not read to the end yet",
              onSome: (at) => `read up to ${Table.time(at)} UTC`
            })
            return [
              "Source",
              `${source}: ${read}; ${Table.count(runs.length, "run")} tracked, ${open} open`
            ] as const
          })
        ])
      )
    }).pipe(Effect.scoped)
  ).pipe(
    Command.withDescription("Shows what is waiting to be sent, what was delivered, and how far was read."),
    Command.withExamples([
      { command: `${environment.name} outbox status`, description: "For people" },
      {
        command: `${environment.name} outbox status --state /var/lib/agent/state.db --json`,
        description: "A given file, for scripts"
      }
    ])
  )

const verify = (environment: Environment) =>
  Command.make("verify", { ...StateFile.flags, json }, (given) =>
    Effect.gen(function* () {
      const { reader } = yield* StateFile.open(environment, given)
      const { findings, remarks } = yield* orStateFile(reader.verify)
      if (given.json) {
        yield* Console.log(Table.json({ file: reader.path, sound: findings.length === 0, findings, remarks }))
      } else if (findings.length === 0) {
        yield* Console.log(`${reader.path} is sound: all events, dead letters and runs in it can be read.`)
      } else yield* Console.log(findings.join("\n"))
      if (!given.json && remarks.length > 0) {
        yield* Console.log(remarks.map((remark) => `Remark: ${remark}`).join("\n"))
      }
      if (findings.length > 0) {
        return yield* stateFile(`${reader.path} is not sound: ${Table.count(findings.length, "finding")}`)
      }
    }).pipe(Effect.scoped)
  ).pipe(
    Command.withDescription(
      "Reads the whole state file and says what in it is damaged or cannot be read. Changes nothing. Exit code 74 when something was found; what was set aside earlier is only remarked on."
    ),
    Command.withExamples([
      {
        command: `${environment.name} outbox verify`,
        description: "After a crash of the machine, or when in doubt"
      }
    ])
  )
