/**
 * A cassette: what a real tool answered once, in a file that is committed, and played in tests from then on. So a test of an
 * agent runs on what the tool really says, in virtual time, without the tool, and without a secret in the repository.
 */
import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as CassetteFile from "./CassetteFile.ts"
import * as CassettePlayer from "./CassettePlayer.ts"
import * as CassetteRecorder from "./CassetteRecorder.ts"
import * as CassetteScrubber from "./CassetteScrubber.ts"
import * as Tape from "./CassetteTape.ts"

/**
 * `replay` plays the file and reaches no network. `record` asks the tool, and writes the file anew. `auto` plays the file if
 * there is one and records otherwise, but never where the variable `CI` is set: there it fails.
 */
export type Mode = "replay" | "record" | "auto"

/** Which cassette, and how it is played and recorded. */
export interface Options
  extends CassettePlayer.Options, CassetteScrubber.Options, Pick<CassetteRecorder.Options, "edit"> {
  /** The file. `NodeCassette` takes a URL as well. */
  readonly path: string
  /**
   * Default: `replay`. The environment variable `CASSETTE` says otherwise for one run of the tests. It is read through the
   * ConfigProvider there is, which is the environment unless a test puts another around the cassette.
   */
  readonly mode?: Mode | undefined
  /** What is done when a request had no answer on the cassette: the test fails in its end, or nothing. Default: `fail`. */
  readonly missed?: "fail" | "ignore" | undefined
  /** A recording that is older is warned of. Its age is measured by the real clock. */
  readonly maxAge?: Duration.Input | undefined
  /** How the tool is reached while recording, for `client`. Default: the defaults of the toolkit. */
  readonly http?: HttpSettings.HttpSettings | undefined
}

/**
 * A cassette in use.
 *
 * ```ts
 * import { Cassette } from "@observability-agents/testing/Cassette"
 * import { DateTime, Effect } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * export const program = Effect.gen(function* () {
 *   const cassette = yield* Cassette
 *   yield* TestClock.setTime(DateTime.toEpochMillis(cassette.recordedAt))
 *   const answer = yield* cassette.client.get("https://workspace.test/api/runs")
 *   yield* cassette.allUsed
 *   return answer.status
 * })
 * ```
 */
export class Cassette extends Context.Service<
  Cassette,
  {
    /** What is done: the file is played, or written. */
    readonly mode: "replay" | "record"
    /**
     * When the recording began. Tests start their clock there, because what the tool says is of that time: it is
     * `startAt` of `Simulation`.
     */
    readonly recordedAt: DateTime.Utc
    /** The client that plays or records: a host of `TestNetwork`, `AgentFixture` and `Simulation`. */
    readonly client: HttpClient.HttpClient
    /** The same for Handles that make their clients by themselves. While recording, each keeps its own settings. */
    readonly transport: HttpTransport["Service"]
    /** What is on the cassette; while recording, until now. */
    readonly interactions: Effect.Effect<ReadonlyArray<Tape.Interaction>>
    /** The recorded requests that were not made yet, each as a line with its number. None while recording. */
    readonly unused: Effect.Effect<ReadonlyArray<string>>
    /** Fails with `Unused` unless every recorded request was made. */
    readonly allUsed: Effect.Effect<void, Tape.CassetteError>
    /** Writes what was recorded until now. Happens by itself when the layer ends without a failure. Nothing while playing. */
    readonly save: Effect.Effect<void, Tape.CassetteError>
  }
>()("@observability-agents/testing/Cassette") {
  /**
   * The cassette of a file. While recording, the file is written when the layer ends, and left as it was if that comes from
   * a failure: half a recording would make the next test fail in some other place. Playing, the end dies with
   * `CassetteError` if requests had no answer on the cassette, because agents take that for an outage and go on.
   */
  static layer(
    options: Options
  ): Layer.Layer<Cassette, Tape.CassetteError, FileSystem.FileSystem | HttpTransport> {
    return Layer.effect(Cassette, make(options))
  }

  /** All HTTP by the cassette, for layers that ask for an `HttpTransport`. */
  static readonly layerTransport: Layer.Layer<HttpTransport, never, Cassette> = Layer.effect(
    HttpTransport,
    Effect.map(Cassette, ({ transport }) => transport)
  )
}

/**
 * Opens a cassette for as long as the scope is open; see `Cassette.layer`. Fails with `Missing`, `Unreadable` or `Newer`
 * where the file cannot be played, and with `Settings` where an option or a variable is wrong.
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<
  Cassette["Service"],
  Tape.CassetteError,
  FileSystem.FileSystem | HttpTransport | Scope.Scope
> {
  const mode = yield* decide(options)
  return yield* mode === "record" ? record(options) : replay(options)
})

// ---- private

const replay = Effect.fnUntraced(function* (options: Options) {
  const tape = yield* CassetteFile.load(options.path)
  yield* warnOfAge(options, tape)
  const scrubber = CassetteScrubber.make(options)
  const player = CassettePlayer.make(tape, { ...options, scrubber, where: options.path })
  if (options.missed !== "ignore") {
    yield* Effect.addFinalizer(() =>
      Effect.flatMap(player.missed, (missed) =>
        missed.length === 0
          ? Effect.void
          : Effect.die(new Tape.CassetteError({ reason: "Missed", message: missed.slice(0, 5).join("\n\n") }))
      )
    )
  }
  return Cassette.of({
    mode: "replay",
    recordedAt: DateTime.makeUnsafe(tape.recordedAt),
    client: player.client,
    transport: HttpTransport.of({ make: () => Effect.succeed(player.client) }),
    interactions: Effect.succeed(tape.interactions),
    unused: player.unused,
    allUsed: Effect.flatMap(player.unused, (unused) =>
      unused.length === 0
        ? Effect.void
        : Effect.fail(
            new Tape.CassetteError({
              reason: "Unused",
              message: `${unused.length} of the ${tape.interactions.length} requests on the cassette ${options.path} were not made:\n${unused
                .map((line) => `  ${line}`)
                .join("\n")}\nIf they are no longer needed, record anew: ${Tape.AGAIN}.`
            })
          )
    ),
    save: Effect.void
  })
})

const record = Effect.fnUntraced(function* (options: Options) {
  for (const [standIn, real] of Object.entries(options.hosts ?? {})) {
    if (real !== undefined && real.trim() !== "") continue
    return yield* new Tape.CassetteError({
      reason: "Settings",
      message: `The cassette ${options.path} cannot be recorded: \`hosts\` does not say where ${standIn} really is. It is read from a variable, most likely, which is not set.`
    })
  }
  const transport = yield* HttpTransport
  const files = yield* FileSystem.FileSystem
  const scrubber = CassetteScrubber.make(options)
  const recorder = yield* CassetteRecorder.make({ ...options, scrubber })
  const save = Effect.gen(function* () {
    const tape = yield* recorder.tape
    yield* recorder.check(tape)
    yield* CassetteFile.save(options.path, tape)
  }).pipe(Effect.provideService(FileSystem.FileSystem, files))
  yield* Effect.addFinalizer((exit) =>
    Exit.isSuccess(exit)
      ? Effect.orDie(save)
      : Effect.logWarning("The cassette is not written, because the recording ended with a failure").pipe(
          Effect.annotateLogs({ cassette: options.path })
        )
  )
  const client = yield* transport.make(options.http ?? HttpSettings.defaults)
  return Cassette.of({
    mode: "record",
    recordedAt: DateTime.makeUnsafe(recorder.recordedAt),
    client: recorder.decorate(client),
    transport: HttpTransport.of({
      make: (settings) => Effect.map(transport.make(settings), recorder.decorate)
    }),
    interactions: Effect.map(recorder.tape, ({ interactions }) => interactions),
    unused: Effect.succeed([]),
    allUsed: Effect.void,
    save
  })
})

const variable = (name: string) =>
  Config.String(name).pipe(
    Config.withDefault(""),
    Effect.map((text) => text.trim()),
    Effect.orElseSucceed(() => "")
  )

const decide = Effect.fnUntraced(function* (options: Options) {
  const given = (yield* variable("CASSETTE")).toLowerCase()
  const mode = given === "" ? (options.mode ?? "replay") : given
  if (mode === "replay" || mode === "record") return mode
  if (mode !== "auto") {
    return yield* new Tape.CassetteError({
      reason: "Settings",
      message: `The environment variable CASSETTE is ${JSON.stringify(given)}; it takes replay, record or auto.`
    })
  }
  if (yield* CassetteFile.exists(options.path)) return "replay"
  if (!/^(?:|0|false|no)$/i.test(yield* variable("CI"))) {
    return yield* new Tape.CassetteError({
      reason: "Missing",
      message: `There is no cassette ${options.path}, and none is recorded where CI is set. Record it on your machine (${Tape.AGAIN}) and commit the file.`
    })
  }
  return "record"
})

// The clock of a test stands anywhere; how old a file is is a matter of the real one.
const warnOfAge = Effect.fnUntraced(function* ({ maxAge, path }: Options, { recordedAt }: Tape.Tape) {
  if (maxAge === undefined) return
  const now = Clock.Clock.defaultValue().currentTimeMillisUnsafe()
  if (now - recordedAt <= Duration.toMillis(maxAge)) return
  yield* Effect.logWarning("A cassette is older than it should be; record it anew").pipe(
    Effect.annotateLogs({ cassette: path, age: `${Math.floor((now - recordedAt) / 86_400_000)} days` })
  )
})
