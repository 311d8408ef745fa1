/**
 * How another program asks the one that owns a state file to change something: it puts a request into the table
 * `requests`, the owner looks there every two seconds, does it, and writes an answer beside it. So only the owner ever
 * changes events, and what it keeps in memory stays true. What nobody asks for any more is not done: a request is
 * withdrawn when the asker gives up, and one older than a minute is removed unanswered.
 */
import { DatabaseSync } from "node:sqlite"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Outbox } from "./Outbox.ts"
import { OutboxError } from "./Outbox.ts"
import { number, only, optionalText, text } from "./OutboxSqliteCells.ts"
import { fromCause } from "./OutboxSqliteError.ts"
import * as Tables from "./OutboxSqliteSchema.ts"

/** What can be asked for. */
export const Request = Schema.Struct({
  does: Schema.Literals(["replay", "drop"]),
  /** Of dead letters. */
  numbers: Schema.Array(Schema.Int)
})

/** The type of {@link Request}. */
export type Request = typeof Request.Type

const Answer = Schema.Union([
  Schema.Struct({ done: Schema.Array(Schema.Int) }),
  Schema.Struct({ failed: Schema.String })
])

const RequestText = Schema.fromJsonString(Request)
const AnswerText = Schema.fromJsonString(Answer)

/** Between two looks of the owner. */
const PERIOD = "2 seconds"
/** Milliseconds after which a request is none any more: much longer than an asker waits. */
const LIFETIME = 60_000
/** How long an asker waits for the answer: several looks, and a moment in which the file is busy. */
const PATIENCE = 20_000

/** Answers requests for ever, by what the Outbox does. A look that fails is repeated at the next turn. */
export const serve = (database: DatabaseSync, outbox: Pick<Outbox["Service"], Request["does"]>) => {
  const open = database.prepare("SELECT number, at, body FROM requests WHERE answer IS NULL ORDER BY number")
  const old = database.prepare("DELETE FROM requests WHERE at < ?")
  const write = database.prepare("UPDATE requests SET answer = ? WHERE number = ?")
  const look = Effect.gen(function* () {
    const rows = yield* Effect.try(() => open.all())
    if (rows.length === 0) return
    const now = yield* Clock.currentTimeMillis
    for (const row of rows) {
      if (Math.abs(now - number(row, "at")) > LIFETIME) continue
      const request = yield* Effect.option(Schema.decodeEffect(RequestText)(text(row, "body")))
      const answer = Option.isNone(request)
        ? { failed: "This agent does not know the request: it is of another release." }
        : yield* outbox[request.value.does](request.value.numbers).pipe(
            Effect.map((done) => ({ done })),
            Effect.catchTag("OutboxError", (error) => Effect.succeed({ failed: error.message }))
          )
      const encoded = yield* Schema.encodeEffect(AnswerText)(answer)
      yield* Effect.try(() => write.run(encoded, number(row, "number")))
      if ("done" in answer && Option.isSome(request)) {
        yield* Effect.logInfo("Dead letters were changed on request").pipe(
          Effect.annotateLogs({ does: request.value.does, letters: answer.done.length })
        )
      }
    }
    yield* Effect.try(() => old.run(now - LIFETIME))
  })
  return Effect.forever(Effect.andThen(Effect.sleep(PERIOD), Effect.ignore(look))).pipe(
    // Askers are other processes: they live in real time, also where this one is told another.
    Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())
  )
}

/** Asks the owner of the file, and waits for its answer. `holder` is who owns it, for people. */
export const ask = Effect.fnUntraced(function* (
  path: string,
  request: Request,
  holder: string
): Effect.fn.Return<ReadonlyArray<number>, OutboxError> {
  const attempt = <A>(work: () => A): Effect.Effect<A, OutboxError> =>
    Effect.try({ try: work, catch: (cause) => fromCause(request.does, path, cause) })
  const refuse = (message: string) =>
    new OutboxError({ method: request.does, reason: "Unavailable", message })

  return yield* Effect.scoped(
    Effect.gen(function* () {
      const database = yield* Effect.acquireRelease(
        attempt(() => new DatabaseSync(path, { timeout: 2000 })),
        (database) => Effect.sync(() => database.close())
      )
      if ((yield* attempt(() => Tables.describe(database))).version !== Tables.MIGRATIONS.length) {
        return yield* refuse(
          `The state file ${path} is in use by ${holder}, an agent of another release. Stop it, or use the program of its release`
        )
      }
      const body = yield* Effect.orDie(Schema.encodeEffect(RequestText)(request))
      const at = yield* Clock.currentTimeMillis
      const id = yield* Effect.acquireRelease(
        attempt(() =>
          number(
            only(database, "INSERT INTO requests (at, body) VALUES (?, ?) RETURNING number", at, body),
            "number"
          )
        ),
        // Withdrawn, or answered and done with.
        (id) =>
          Effect.ignore(attempt(() => database.prepare("DELETE FROM requests WHERE number = ?").run(id)))
      )
      const select = database.prepare("SELECT answer FROM requests WHERE number = ?")
      const answered = Effect.gen(function* () {
        for (;;) {
          const row = yield* attempt(() => select.get(id))
          const answer = row === undefined ? undefined : optionalText(row, "answer")
          if (answer !== undefined) return answer
          yield* Effect.sleep("200 millis")
        }
      })
      const answer = yield* Effect.timeoutOption(answered, PATIENCE)
      if (Option.isNone(answer)) {
        return yield* refuse(
          `The state file ${path} is in use by ${holder}, which did not answer within ${PATIENCE / 1000} seconds. The request was withdrawn. Try again, or stop that agent first`
        )
      }
      const said = yield* Effect.orDie(Schema.decodeEffect(AnswerText)(answer.value))
      return "done" in said ? said.done : yield* refuse(said.failed)
    })
  )
})
