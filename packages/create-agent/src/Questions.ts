/**
 * What the generator has to know: taken from the command line, asked on a terminal where it is not there, or what follows
 * from the rest. What is said is checked in the same way wherever it comes from.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Prompt from "effect/cli/Prompt"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Terminal from "effect/Terminal"
import { type CreateFailed, orUsage, usage } from "./CreateFailed.ts"
import * as Folder from "./Folder.ts"
import * as Names from "./Names.ts"
import * as Template from "./Template.ts"

/** What the command line says. Undefined: nothing. */
export interface Given {
  /** Whether there is somebody to be asked. */
  readonly isAsking: boolean
  /** Whether all that is not said is to be as it is by default. */
  readonly isWilling: boolean
  /** What will be written, but for the names. */
  readonly templates: Readonly<Record<Template.Kind, Template.Files>>
  /** The argument: a package's name, or the path of its folder. */
  readonly name: string | undefined
  readonly directory: string | undefined
  readonly package: string | undefined
  readonly kind: Template.Kind | undefined
  readonly tool: string | undefined
  readonly type: string | undefined
  readonly url: string | undefined
  readonly git: boolean | undefined
  readonly install: boolean | undefined
}

/** What is to be made. */
export interface Answers {
  /** Absolute. */
  readonly folder: string
  readonly kind: Template.Kind
  readonly values: Template.Values
  readonly git: boolean
  readonly install: boolean
}

/** Asks, or says which words are missing. Ctrl-C ends the program, and nothing is written. */
export const ask = Effect.fnUntraced(function* (
  given: Given
): Effect.fn.Return<Answers, CreateFailed, Prompt.Environment> {
  const path = yield* Path.Path
  const missing = [
    ...(given.name === undefined && given.directory === undefined
      ? ["a name, such as my-tool: it becomes the folder and the package"]
      : []),
    ...(given.kind === undefined && !given.isWilling
      ? [
          "--kind periodic, where the tool is asked over HTTP, or --kind events, where it sends news by websocket"
        ]
      : [])
  ]
  // `--yes` takes defaults, but an agent without a name there is none.
  if (missing.length > 0 && (!given.isAsking || given.isWilling)) {
    return yield* usage(
      ["Without questions, this is needed too:", ...missing.map((words) => `  ${words}`)].join("\n")
    )
  }
  const isAsking = given.isAsking && !given.isWilling

  // What is a path says where the folder is; its last part is the name.
  const folderOf = (name: string) =>
    path.resolve(given.directory ?? (isPath(name) ? name : Names.folderOf(name)))
  const fs = yield* FileSystem.FileSystem
  const refuseFull = (name: string) =>
    Folder.refuseFull(folderOf(name)).pipe(
      Effect.mapError(({ message }) => message),
      Effect.provideService(FileSystem.FileSystem, fs)
    )

  const name =
    given.name ??
    given.directory ??
    (yield* text(
      {
        message: "What is the agent to be called? It becomes the folder and the package.",
        check: (name) => Result.map(Names.checkPackage(nameOf(path, name)), () => name)
      },
      refuseFull
    ))
  const folder = folderOf(name)
  // Before anything else is asked in vain.
  yield* Effect.mapError(refuseFull(name), usage)
  const packageName = yield* orUsage(Names.checkPackage(given.package ?? nameOf(path, name)))

  const suggested = Names.toolOf(packageName)
  const tool = yield* settle(given.tool, isAsking, {
    flag: "--tool",
    message: "Which tool does it watch? Observability shows this name.",
    default: Result.getOrElse(Names.checkTool(suggested), () => "My Tool"),
    check: Names.checkTool
  })
  const kind =
    given.kind ??
    (isAsking
      ? yield* quit(
          Prompt.Select<Template.Kind>({
            message: "How does the agent learn what happens there?",
            choices: [
              { title: "It asks: over HTTP, for what has changed since a moment", value: "periodic" },
              { title: "It listens: the tool sends its news by websocket", value: "events" }
            ]
          })
        )
      : "periodic")
  const url = yield* settle(given.url, isAsking, {
    flag: "--url",
    message: "Where is the tool's API?",
    default: exampleUrl(tool),
    check: checkUrl
  })
  const checkType = (type: string) =>
    Result.flatMap(Names.checkType(type), () => Template.checkType(given.templates[kind], type))
  const own = Names.typeOf(tool)
  const type = yield* settle(given.type, isAsking, {
    flag: "--type",
    message: "What is it called in settings, as agent_type and as a table?",
    // The tool's own name may be taken, too long, or have no letter that a setting can have.
    default: [own, `my_${own}`].find((type) => Result.isSuccess(checkType(type))) ?? "my_tool",
    check: checkType
  })
  const confirm = (said: boolean | undefined, message: string) =>
    said !== undefined
      ? Effect.succeed(said)
      : isAsking
        ? quit(Prompt.Confirm({ message, initial: true }))
        : Effect.succeed(true)
  const git = yield* confirm(given.git, "Make it a Git repository?")
  const install = yield* confirm(given.install, "Install what it needs now, with npm?")
  return { folder, kind, values: { package: packageName, tool, type, url }, git, install }
})

/** An address that can stand in a settings file, or what is wrong with it. */
export const checkUrl = (text: string): Result.Result<string, string> => {
  const url = /^https?:\/\/[^\s"'`\\<>$]+$/i.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) {
    return Result.fail(`That is no address: expected one such as https://my-tool.example.com/api`)
  }
  if (url.username !== "" || url.password !== "") {
    return Result.fail(
      "The address must not hold a user or a password: secrets do not belong into a settings file"
    )
  }
  // As the settings have it, which the address is for.
  return /[?#]/.test(text)
    ? Result.fail("The address must end before any ? or #: what follows it is for each request to say")
    : Result.succeed(text)
}

// ---- private parts

const exampleUrl = (tool: string): string => {
  const host = Names.kebab(Names.typeOf(tool))
  return `https://${host === "" ? "my-tool" : host}.example.com`
}

const isPath = (name: string): boolean => name === "." || (/[/\\]/.test(name) && !name.startsWith("@"))

const nameOf = (path: Path.Path, name: string): string =>
  isPath(name) ? path.basename(path.resolve(name)) : name

interface Question {
  readonly message: string
  readonly default?: string
  readonly check: (text: string) => Result.Result<string, string>
}

/** What was said, what is answered, or the default; checked. */
const settle = (
  said: string | undefined,
  isAsking: boolean,
  question: Question & { readonly default: string; readonly flag: string }
) =>
  said === undefined && isAsking
    ? text(question)
    : orUsage(
        Result.mapError(
          question.check((said ?? question.default).trim()),
          (words) => `${words}. It is set by ${question.flag}`
        )
      )

const text = (
  question: Question,
  refuse: (text: string) => Effect.Effect<void, string> = () => Effect.void
): Effect.Effect<string, never, Prompt.Environment> =>
  quit(
    Prompt.String({
      // A default of the Prompt's own would have to be deleted by who wants another.
      message:
        question.default === undefined
          ? question.message
          : `${question.message} (Enter: ${question.default})`,
      validate: (value) =>
        Effect.fromResult(question.check(value.trim() === "" ? (question.default ?? "") : value.trim())).pipe(
          Effect.tap(refuse)
        )
    })
  )

const quit = <A>(prompt: Prompt.Prompt<A>): Effect.Effect<A, never, Prompt.Environment> =>
  Effect.catchTag(prompt, "QuitError", () =>
    Effect.gen(function* () {
      // Erases what is below the question, where a mistake may still be shown.
      yield* Effect.orDie((yield* Terminal.Terminal).display("\u001B[J"))
      yield* Console.error("\nNothing was written.")
      return yield* Effect.interrupt
    })
  )
