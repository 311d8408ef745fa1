/** `observability-agent dead-letters`: what could not be delivered, and what is to become of it. */
import type { DeadLetter } from "@observability-agents/core/Outbox"
import * as EventTitle from "@observability-agents/core/EventTitle"
import * as OutboxSqliteCodec from "@observability-agents/core/OutboxSqliteCodec"
import type { StoredDeadLetter } from "@observability-agents/core/OutboxSqliteLetters"
import type { Reader } from "@observability-agents/core/OutboxSqliteReader"
import * as Event from "@observability-agents/toolkit/Event"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { orStateFile, usage } from "./CommandFailed.ts"
import { type Environment, json } from "./Environment.ts"
import * as Lane from "./Lane.ts"
import * as StateFile from "./StateFile.ts"
import * as Table from "./Table.ts"

/** The command with its subcommands. */
export const make = (environment: Environment) =>
  Command.make("dead-letters").pipe(
    Command.withDescription(
      "Lists the events that could not be delivered (the server, or our own check, refused them for good, or the server kept failing on them), and sends them again or removes them. Works beside a running agent."
    ),
    Command.withShortDescription("Lists, replays and drops events that could not be delivered."),
    Command.withSubcommands([
      list(environment),
      show(environment),
      change(environment, "replay"),
      change(environment, "drop")
    ])
  )

const NONE = "There are no dead letters: everything that was sent was taken."

const list = (environment: Environment) =>
  Command.make("list", { ...StateFile.flags, json }, (given) =>
    Effect.gen(function* () {
      const { reader } = yield* StateFile.open(environment, given)
      const letters = yield* orStateFile(reader.deadLetters)
      const unreadable = yield* orStateFile(reader.unreadableLetters)
      if (given.json) {
        return yield* Console.log(
          Table.json(
            [...letters.map(toJson), ...unreadable.map(unreadableToJson)].sort((a, b) => a.id - b.id)
          )
        )
      }
      if (letters.length + unreadable.length === 0) return yield* Console.log(NONE)
      yield* Console.log(
        Table.table(
          ["ID", "BURIED (UTC)", "RUN", "EVENT", "TRIES", "REASON"],
          [
            ...letters.map((letter) => ({
              ...letter,
              lane: letter.entry.lane,
              title: EventTitle.title(letter.entry.event)
            })),
            ...unreadable.map((letter) => ({
              ...letter,
              buriedAt: DateTime.makeUnsafe(letter.buriedAt),
              title: `unreadable (${letter.id})`
            }))
          ]
            .sort((a, b) => a.number - b.number)
            .map((letter) => [
              String(letter.number),
              Table.time(letter.buriedAt),
              EventTitle.cut(Lane.name(letter.lane), 40),
              EventTitle.cut(letter.title, 50),
              String(letter.attempts + 1),
              `${letter.reason}: ${EventTitle.cut(letter.words, 100)}`
            ])
        )
      )
    }).pipe(Effect.scoped)
  ).pipe(
    Command.withDescription("Lists all dead letters, the oldest first."),
    Command.withExamples([
      { command: `${environment.name} dead-letters list`, description: "As a table" },
      {
        command: `${environment.name} dead-letters list --json`,
        description: "With bodies, for scripts"
      }
    ])
  )

const show = (environment: Environment) =>
  Command.make(
    "show",
    {
      id: Argument.Int("id").pipe(Argument.withDescription("The ID that `dead-letters list` shows")),
      ...StateFile.flags,
      json
    },
    (given) =>
      Effect.gen(function* () {
        const { reader } = yield* StateFile.open(environment, given)
        const letters = yield* orStateFile(reader.deadLetters)
        const letter = letters.find(({ number }) => number === given.id)
        if (letter === undefined) return yield* unknown(environment, [given.id])
        if (given.json) return yield* Console.log(Table.json(toJson(letter)))
        yield* Console.log(
          Table.pairs([
            ["ID", String(letter.number)],
            ["Run", EventTitle.oneLine(Lane.name(letter.entry.lane))],
            ["Event", EventTitle.title(letter.entry.event)],
            ["Identity", EventTitle.oneLine(letter.entry.id)],
            ["Made", `${Table.time(letter.committedAt)} UTC`],
            [
              "Buried",
              `${Table.time(letter.buriedAt)} UTC, after ${Table.count(letter.attempts + 1, "try", "tries")}`
            ],
            ["Reason", letter.reason],
            ["Words", EventTitle.oneLine(letter.words)],
            ["Endpoint", Event.path(letter.entry.event)]
          ])
        )
        yield* Console.log(`\n${Table.json(bodyOf(letter))}`)
      }).pipe(Effect.scoped)
  ).pipe(
    Command.withDescription("Shows one dead letter with the body that goes to the server."),
    Command.withExamples([
      { command: `${environment.name} dead-letters show 3`, description: "The dead letter with ID 3" }
    ])
  )

const change = (environment: Environment, does: "replay" | "drop") =>
  Command.make(
    does,
    {
      ids: Argument.Int("id").pipe(
        Argument.withDescription("IDs that `dead-letters list` shows"),
        Argument.variadic()
      ),
      all: Flag.Boolean("all").pipe(Flag.withDescription("All dead letters"), Flag.withDefault(false)),
      ...(does === "replay" ? { force } : {}),
      ...StateFile.flags,
      json
    },
    (given) =>
      Effect.gen(function* () {
        if (given.all === given.ids.length > 0) {
          return yield* usage(`Say which: IDs that \`dead-letters list\` shows, or --all.`)
        }
        const { reader } = yield* StateFile.open(environment, given)
        const letters = yield* orStateFile(reader.deadLetters)
        const unreadable = (yield* orStateFile(reader.unreadableLetters)).map(({ number }) => number)
        const there = [...letters.map(({ number }) => number), ...unreadable].sort((a, b) => a - b)
        const wanted = given.all ? there : given.ids
        const missing = wanted.filter((id) => !there.includes(id))
        if (missing.length > 0) return yield* unknown(environment, missing)
        const isReplay = does === "replay"
        const illegible = isReplay ? wanted.filter((id) => unreadable.includes(id)) : []
        const late =
          isReplay && given.force !== true
            ? yield* orStateFile(
                belated(
                  reader,
                  letters.filter(({ number }) => wanted.includes(number))
                )
              )
            : []
        const leftOut = [...illegible, ...late]
        const numbers = wanted.filter((id) => !leftOut.includes(id))
        const { by, done } =
          numbers.length === 0
            ? { by: Option.none<string>(), done: [] }
            : yield* StateFile.change(environment, reader, { does, numbers })
        if (given.json) {
          return yield* Console.log(
            Table.json({
              [does === "replay" ? "replayed" : "dropped"]: done,
              by_agent: Option.isSome(by),
              ...(isReplay ? { left_out: leftOut } : {})
            })
          )
        }
        if (done.length > 0 || leftOut.length === 0) {
          yield* Console.log(done.length === 0 ? NONE : said(does, done, by))
        }
        if (illegible.length > 0) {
          yield* Console.log(
            `Left out, because the event cannot be read: ${illegible.join(", ")}. \`dead-letters drop\` removes it.`
          )
        }
        if (late.length > 0) {
          yield* Console.log(
            `Left out, because the end of the run was told already, and its RUNNING would open it again on the server: ${late.join(", ")}. --force sends it nevertheless; \`dead-letters drop\` removes it.`
          )
        }
      }).pipe(Effect.scoped)
  ).pipe(
    Command.withDescription(
      does === "replay"
        ? "Has dead letters sent again, each behind what its run has said since. The RUNNING of a run whose end was told already is left out, unless --force is given. What the server still refuses becomes a dead letter again. An agent that is running does it within seconds; otherwise they are sent when the agent runs next."
        : "Removes dead letters for good: they will not be sent. Also while an agent is running."
    ),
    Command.withExamples([
      {
        command: `${environment.name} dead-letters ${does} 3 5`,
        description: "The dead letters with IDs 3 and 5"
      },
      { command: `${environment.name} dead-letters ${does} --all`, description: "All of them" }
    ])
  )

const force = Flag.Boolean("force").pipe(
  Flag.withDescription(
    "Also the RUNNING of runs whose end was told already; the server takes them to run again"
  ),
  Flag.withDefault(false)
)

const said = (does: "replay" | "drop", done: ReadonlyArray<number>, by: Option.Option<string>): string => {
  const what = `${Table.count(done.length, "dead letter")} (${EventTitle.cut(done.join(", "), 60)})`
  const will = done.length === 1 ? "is" : "are"
  if (does === "drop") return `${what} ${done.length === 1 ? "was" : "were"} removed.`
  return Option.match(by, {
    onNone: () => `${what} ${will} sent again when the agent runs next.`,
    onSome: (holder) => `${what} ${will} sent again now, by the running agent (${holder}).`
  })
}

const unknown = (environment: Environment, ids: ReadonlyArray<number>) =>
  Effect.fail(
    usage(
      `There is no dead letter ${ids.join(", ")}. Nothing was changed. \`${environment.name} dead-letters list\` shows those there are.`
    )
  )

const toJson = (letter: DeadLetter) => ({
  id: letter.number,
  reason: letter.reason,
  words: letter.words,
  tries: letter.attempts + 1,
  committed_at: DateTime.formatIso(letter.committedAt),
  buried_at: DateTime.formatIso(letter.buriedAt),
  identity: letter.entry.id,
  run: Lane.name(letter.entry.lane),
  endpoint: Event.path(letter.entry.event),
  body: bodyOf(letter)
})

/** Of one whose event cannot be read; `drop` removes it. */
const unreadableToJson = (letter: StoredDeadLetter) => ({
  id: letter.number,
  reason: letter.reason,
  words: letter.words,
  tries: letter.attempts + 1,
  committed_at: DateTime.formatIso(DateTime.makeUnsafe(letter.committedAt)),
  buried_at: DateTime.formatIso(DateTime.makeUnsafe(letter.buriedAt)),
  identity: letter.id,
  run: Lane.name(letter.lane),
  endpoint: letter.path,
  body: null,
  unreadable: true
})

/** Which of the letters say that a run begins that has told its end already. */
const belated = Effect.fnUntraced(function* (reader: Reader, letters: ReadonlyArray<DeadLetter>) {
  const found: Array<number> = []
  for (const { entry, number } of letters) {
    if (EventTitle.title(entry.event) !== "RUNNING") continue
    const { events } = yield* reader.history(entry.lane)
    const at = entry.event.timestamp?.epochMilliseconds
    const isOver = events.some(
      ({ state, timestamp, title }) =>
        state._tag !== "Buried" &&
        ENDS.has(title) &&
        // The end of an earlier try of a run that was opened again is none of this one.
        (at === undefined || Option.isNone(timestamp) || timestamp.value.epochMilliseconds >= at)
    )
    if (isOver) found.push(number)
  }
  return found
})

const ENDS: ReadonlySet<string> = new Set(["COMPLETED", "COMPLETED_WITH_WARNINGS", "FAILED"])

const bodyOf = ({ entry: { event } }: DeadLetter): unknown => {
  const body = OutboxSqliteCodec.encodeEvent(Event.path(event), event)
  return Result.isSuccess(body) ? JSON.parse(body.success) : null
}
