/**
 * The template: a working agent for a made-up tool, whose names are replaced by those of the new one. It is real code, checked
 * and tested as such; what it is called in there is `MyTool`, `my_tool`, `MY_TOOL`, `my-tool`, `My Tool`,
 * `https://my-tool.example.com` and `@my-scope/my-tool`.
 *
 * `template/common` holds what all agents have, `template/periodic` and `template/events` what one kind has. A file whose name
 * begins with `_` is written with a dot instead: npm leaves some dot files out of packages.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Names from "./Names.ts"

/** How the tool tells what happens: it is asked, or it tells by itself. */
export const kinds = ["periodic", "events"] as const

/** One of {@link kinds}. */
export type Kind = (typeof kinds)[number]

/** Texts by path, with `/` between folders, relative to the folder of the package. */
export type Files = ReadonlyMap<string, string>

/** What is put in the place of the template's names. */
export interface Values extends Names.Names {
  /** Address of the tool's API. */
  readonly url: string
}

/** Reads the template of a kind, as it is. */
export const read = Effect.fnUntraced(function* (
  directory: string,
  kind: Kind
): Effect.fn.Return<Files, PlatformError, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const files = new Map<string, string>()
  for (const part of ["common", kind]) {
    const root = path.join(directory, part)
    for (const name of (yield* fs.readDirectory(root, { recursive: true })).toSorted()) {
      const file = path.join(root, name)
      // Whoever runs the template's tests where it lies leaves a cache there.
      if (name.startsWith("node_modules") || (yield* fs.stat(file)).type !== "File") continue
      files.set(name.split(path.sep).join("/"), yield* fs.readFileString(file))
    }
  }
  return files
})

/** Writes the new agent's names everywhere. */
export const render = (files: Files, values: Values): Files => {
  const fill = (text: string) => text.replace(PLACEHOLDERS, (found) => replacement(found, values))
  return new Map(
    Array.from(files, ([name, text]) => [fill(name).replace(/(^|\/)_(?=[^/]*$)/, "$1."), fill(text)])
  )
}

/**
 * A type that fits into the code of the template; or what is wrong with it, where a name made of it would be that of
 * something else in there, such as `Run` or `Effect`.
 */
export const checkType = (files: Files, type: string): Result.Result<string, string> => {
  const fill = (text: string) => text.replaceAll("MyTool", Names.pascal(type))
  const taken = new Set<string>()
  const ours = new Set<string>()
  const sort = (words: Iterable<string>, normal: (word: string) => string) => {
    for (const word of words) {
      if (word.includes("MyTool")) ours.add(normal(fill(word)))
      else taken.add(normal(word))
    }
  }
  for (const [name, text] of files) {
    if (!name.endsWith(".ts")) continue
    sort(text.match(/\w+/g) ?? [], (word) => word)
    // Some disks make no difference between upper and lower case.
    sort([name.replace(/^.*\//, "")], (file) => file.toLowerCase())
  }
  const clash = [...ours].find((word) => taken.has(word))
  return clash === undefined
    ? Result.succeed(type)
    : Result.fail(
        `"${type}" cannot be the agent's type: ${clash} is the name of something else in its code. Choose another one, such as my_${type}`
      )
}

// ---- private parts

/** The longer ones first: they contain the shorter. */
const PLACEHOLDERS =
  /https:\/\/my-tool\.example\.com|@my-scope\/my-tool|MyTool|my_tool|MY_TOOL|my-tool|My Tool/g

const replacement = (found: string, values: Values): string => {
  switch (found) {
    case "https://my-tool.example.com":
      return values.url
    case "@my-scope/my-tool":
      return values.package
    case "MyTool":
      return Names.pascal(values.type)
    case "my_tool":
      return values.type
    case "MY_TOOL":
      return values.type.toUpperCase()
    case "my-tool":
      return Names.kebab(values.type)
    default:
      return values.tool
  }
}
