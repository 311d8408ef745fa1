/**
 * Files of cassettes. One is written beside the old one and then takes its place, so that a run that is killed leaves the old
 * file or the new one, never half of one.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Random from "effect/Random"
import * as Tape from "./CassetteTape.ts"

/** Reads one. Fails with `Missing`, `Unreadable` or `Newer`. */
export const load = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<Tape.Tape, Tape.CassetteError, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  const text = yield* files.readFileString(path).pipe(
    Effect.mapError((error) =>
      error.reason._tag === "NotFound"
        ? new Tape.CassetteError({
            reason: "Missing",
            message: `There is no cassette ${path}. Record it: ${Tape.AGAIN}.`
          })
        : new Tape.CassetteError({
            reason: "Unreadable",
            message: `The cassette ${path} cannot be read: ${error.message}`
          })
    )
  )
  return yield* Tape.parse(text, path)
})

/** Writes one, and the folders it stands in. Fails with `Unwritable`, and the old file stays. */
export const save = Effect.fnUntraced(function* (
  path: string,
  tape: Tape.Tape
): Effect.fn.Return<void, Tape.CassetteError, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  const suffix = yield* Random.nextIntBetween(0, 1_000_000_000)
  const beside = `${path}.${suffix}.tmp`
  const folder = path.replace(/[/\\]?[^/\\]*$/, "")
  yield* Effect.gen(function* () {
    if (folder !== "") yield* files.makeDirectory(folder, { recursive: true })
    yield* files.writeFileString(beside, Tape.print(tape))
    yield* files.rename(beside, path)
  }).pipe(
    Effect.tapError(() => Effect.ignore(files.remove(beside, { force: true }))),
    Effect.mapError(
      (error) =>
        new Tape.CassetteError({
          reason: "Unwritable",
          message: `The cassette ${path} cannot be written: ${error.message}`
        })
    )
  )
})

/** Whether there is one. */
export const exists = (path: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => Effect.orElseSucceed(files.exists(path), () => false))
