/** The folder of the new agent: is not touched where there is something in it, and gets all files or none. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type { Files } from "./Template.ts"

/** The folder cannot be written into. `message` says why and what to do; nothing was changed. */
export class FolderUnusable extends Schema.TaggedError<FolderUnusable>()("FolderUnusable", {
  message: Schema.String
}) {}

/** Fails where the folder holds anything but what Git keeps. */
export const refuseFull = Effect.fn("Folder.refuseFull")(function* (
  folder: string
): Effect.fn.Return<void, FolderUnusable, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const isThere = yield* Effect.orElseSucceed(fs.exists(folder), () => false)
  if (!isThere) return
  const names = yield* fs
    .readDirectory(folder)
    .pipe(
      Effect.mapError(
        () =>
          new FolderUnusable({ message: `${folder} is there already, and is no folder that can be read.` })
      )
    )
  const found = names.filter((name) => name !== ".git").toSorted()
  if (found.length === 0) return
  const shown = found.slice(0, 5).join(", ")
  return yield* new FolderUnusable({
    message: `${folder} is not empty, and was not changed. There is: ${shown}${found.length > 5 ? `, and ${found.length - 5} more` : ""}. Choose another name, or another folder with --directory.`
  })
})

/**
 * Writes all files, or, where one of them cannot be written, none: they are written beside the folder first. What the
 * folder's parents lack is made.
 */
export const write = Effect.fn("Folder.write")(function* (
  folder: string,
  files: Files
): Effect.fn.Return<void, FolderUnusable, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const parent = path.dirname(folder)
  yield* refuseFull(folder)
  yield* Effect.gen(function* () {
    yield* fs.makeDirectory(parent, { recursive: true })
    // Where it is on the same disk: to move it there takes one step.
    const draft = yield* fs.makeTempDirectoryScoped({
      directory: parent,
      prefix: `.${path.basename(folder)}-`
    })
    for (const [name, text] of files) {
      const file = path.join(draft, name)
      yield* fs.makeDirectory(path.dirname(file), { recursive: true })
      yield* fs.writeFileString(file, text)
    }
    yield* Effect.uninterruptible(move(draft, folder))
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) =>
      Effect.fail(
        new FolderUnusable({
          message: `${folder} cannot be written (${error.reason._tag}): check that this user may write there, and that there is room. Nothing was left behind.`
        })
      )
    )
  )
})

// ---- private parts

/** Moves what is in one folder into another that is empty or not there; takes it back where that fails. */
const move = Effect.fnUntraced(function* (
  from: string,
  to: string
): Effect.fn.Return<void, PlatformError, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const isNew = !(yield* fs.exists(to))
  if (isNew) yield* fs.makeDirectory(to)
  const moved: Array<string> = []
  yield* Effect.forEach(
    yield* fs.readDirectory(from),
    (name) =>
      Effect.andThen(
        fs.rename(path.join(from, name), path.join(to, name)),
        Effect.sync(() => moved.push(path.join(to, name)))
      ),
    { discard: true }
  ).pipe(
    Effect.onError(() =>
      Effect.forEach(isNew ? [to] : moved, (path) => Effect.ignore(fs.remove(path, { recursive: true })), {
        discard: true
      })
    )
  )
})
