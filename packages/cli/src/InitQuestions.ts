/**
 * What `init` has to know: asked on a terminal, or taken from flags. Questions and checks are those of the settings themselves, so
 * what is written is valid.
 */
import type * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import { StatusSettings } from "@observability-agents/core/StatusSettings"
import * as CredentialsSections from "@observability-agents/toolkit/CredentialsSections"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import {
  fileKeyOf,
  keyOf,
  type Section,
  settingName,
  variablesOf
} from "@observability-agents/toolkit/SettingsSection"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Prompt from "effect/cli/Prompt"
import { type CommandFailed, usage } from "./CommandFailed.ts"
import type { Environment } from "./Environment.ts"
import * as InitFile from "./InitFile.ts"

/** A kind of credentials. */
export type Kind = CredentialsSections.Kind

/** What `--credentials` takes. */
export const kinds = [...CredentialsSections.allKinds, "elsewhere"] as const

/** The table of a kind. */
export const sectionOf = (kind: Kind): Section<unknown> => CredentialsSections.tables[kind].section

/** Whether this is the table of a kind. */
export const isCredentials = ({ table }: Section<unknown>): boolean =>
  CredentialsSections.allKinds.some((kind) => sectionOf(kind).table === table)

/** What is known before anything is asked. */
export interface Given {
  readonly environment: Environment
  /** Whether there is somebody to be asked. */
  readonly isAsking: boolean
  readonly agent: string | undefined
  readonly credentials: (typeof kinds)[number] | undefined
  /** `table.key` to value. */
  readonly set: Readonly<Record<string, string>>
}

/** What came of it. */
export interface Answers {
  readonly agent: Agent.Agent<unknown>
  /** Undefined: the tool's own programs know. */
  readonly kind: Kind | undefined
  readonly choices: ReadonlyMap<string, InitFile.Choice>
  /** Secrets that were typed, by the name of the setting, with a name for their file. */
  readonly typed: ReadonlyArray<{
    readonly name: string
    readonly secret: Redacted.Redacted
    readonly suggestion: string
  }>
  /** Variables that have to be set. */
  readonly variables: ReadonlyArray<string>
}

/** Asks, or says which flags are missing. Ctrl-C ends the program, and nothing is written. */
export const ask = Effect.fnUntraced(function* (
  given: Given
): Effect.fn.Return<Answers, CommandFailed, Prompt.Environment> {
  const choices = new Map<string, InitFile.Choice>()
  const typed: Array<Answers["typed"][number]> = []
  const variables: Array<string> = []
  const missing: Array<string> = []
  const taken = new Set<string>()

  const { agents } = given.environment
  const [first] = agents
  const agent =
    agents.find(({ type }) => type === given.agent) ??
    (agents.length > 1 && given.isAsking
      ? yield* prompt(
          Prompt.Select({
            message: "Which tool is to be observed?",
            choices: agents.map((agent) => ({
              title: agent.type,
              description: agent.description,
              value: agent
            }))
          })
        )
      : first)
  if (agent === undefined) return yield* usage("No agent is built in.")
  choices.set(InitFile.nameOf(CoreSettings, "agentType"), { _tag: "Value", text: agent.type })

  /** What was said with `--set`, checked. */
  const flagged = (section: Section<unknown>, name: string) =>
    Effect.gen(function* () {
      const field = section.fields[name]
      if (field === undefined) return undefined
      const key = `${section.table}.${keyOf(name, field)}`
      if (field.secret) {
        const file = given.set[`${section.table}.${fileKeyOf(keyOf(name, field))}`]
        taken.add(`${section.table}.${fileKeyOf(keyOf(name, field))}`)
        if (given.set[key] !== undefined) {
          return yield* usage(
            `${key} is a secret: its value does not belong on a command line. Name the file that holds it (--set ${key}_file=FILE), or set the variable ${variablesOf(section, name, field)[0] ?? ""}.`
          )
        }
        return file === undefined ? undefined : ({ _tag: "SecretFile", path: file } as const)
      }
      taken.add(key)
      const text = given.set[key]
      if (text === undefined) return undefined
      const decoded = field.decode(text)
      if (Result.isFailure(decoded)) {
        return yield* usage(
          // Addresses are shown without user and parameters, which may hold a secret.
          `--set ${key}=${field.show(text).replace(/^"(.*)"$/s, "$1")} is not valid: expected ${field.expected}${decoded.failure === undefined ? "" : ` (${decoded.failure})`}.`
        )
      }
      return { _tag: "Value", text } as const
    })

  const text = Effect.fnUntraced(function* (
    section: Section<unknown>,
    name: string,
    question: { readonly message: string; readonly default?: string; readonly isOptional?: boolean }
  ) {
    const field = section.fields[name]
    if (field === undefined) return
    const said = yield* flagged(section, name)
    if (said !== undefined) {
      choices.set(InitFile.nameOf(section, name), said)
      return
    }
    if (!given.isAsking) {
      if (question.isOptional === true) return
      if (question.default !== undefined) {
        choices.set(InitFile.nameOf(section, name), { _tag: "Value", text: question.default })
        return
      }
      missing.push(`--set ${section.table}.${keyOf(name, field)}=…`)
      return
    }
    const answer = yield* prompt(
      Prompt.String({
        message: question.message,
        validate: (value) => {
          // A default of the Prompt's own would have to be deleted by who wants another.
          if (value.trim() === "" && question.default !== undefined) return Effect.succeed(question.default)
          if (value.trim() === "" && question.isOptional === true) return Effect.succeed("")
          const decoded = field.decode(value)
          return Result.isSuccess(decoded)
            ? Effect.succeed(value.trim())
            : Effect.fail(
                `Expected ${field.expected}${decoded.failure === undefined ? "" : ` (${decoded.failure})`}`
              )
        }
      })
    )
    if (answer !== "") choices.set(InitFile.nameOf(section, name), { _tag: "Value", text: answer })
  })

  const secret = Effect.fnUntraced(function* (section: Section<unknown>, name: string, what: string) {
    const field = section.fields[name]
    if (field === undefined) return
    const id = InitFile.nameOf(section, name)
    const variable = variablesOf(section, name, field)[0] ?? ""
    const said = yield* flagged(section, name)
    if (said !== undefined) {
      choices.set(id, said)
      return
    }
    const how = given.isAsking
      ? yield* prompt(
          Prompt.Select({
            message: `Where does the agent find ${what}?`,
            choices: [
              { title: `In the variable ${variable}`, value: "variable" as const },
              { title: "In a file that is there already", value: "file" as const },
              {
                title: "I type it now (not shown; goes to a file that only I may read)",
                value: "typed" as const
              }
            ]
          })
        )
      : "variable"
    if (how === "variable") {
      variables.push(variable)
      choices.set(id, { _tag: "SecretVariable" })
    } else if (how === "file") {
      choices.set(id, {
        _tag: "SecretFile",
        path: yield* prompt(Prompt.String({ message: "Its path:", validate: notBlank }))
      })
    } else {
      const value = yield* prompt(
        Prompt.Hidden({ message: `${capital(what)} (not shown):`, validate: notBlank })
      )
      typed.push({ name: id, secret: value, suggestion: `${keyOf(name, field)}.secret` })
    }
  })

  yield* text(CoreSettings, "agentKey", {
    message: `Under which name shall Observability show this agent? (nothing: ${agent.type}-agent)`,
    default: `${agent.type}-agent`
  })
  yield* text(ObservabilitySettings, "baseUrl", {
    message: "Address of Observability's ingestion API (such as http://observability.example.com:8082/api):"
  })
  yield* secret(ObservabilitySettings, "serviceAccountKey", "the service account key of Observability")

  const own = agent.sections.find(({ table }) => table === agent.type)
  const address = own?.fields["host"]
  if (own !== undefined && address !== undefined) {
    yield* text(own, "host", {
      message: `Address of ${agent.tool.toLowerCase()}${address.example === undefined ? ":" : ` (such as ${address.example}):`}`
    })
  }

  const accepted = CredentialsSections.allKinds.filter((kind) =>
    agent.sections.some(({ table }) => table === sectionOf(kind).table)
  )
  const chosen =
    given.credentials ??
    (!given.isAsking
      ? undefined
      : accepted.length === 0
        ? "elsewhere"
        : yield* prompt(
            Prompt.Select({
              message: "How does the agent get in there?",
              choices: [
                ...accepted.map((kind) => ({
                  title: sectionOf(kind).description.replace(/^Credentials: /, ""),
                  value: kind as (typeof kinds)[number]
                })),
                {
                  title: "By what the tool's own programs use (their variables or profile).",
                  value: "elsewhere" as const
                }
              ]
            })
          ))
  if (chosen === undefined && accepted.length > 0) missing.push(`--credentials ${kinds.join("|")}`)
  const kind = chosen === "elsewhere" ? undefined : chosen
  if (kind !== undefined) {
    const { needed, section } = CredentialsSections.tables[kind]
    for (const name of needed) {
      const field = section.fields[name]
      if (field === undefined) continue
      const what = field.description.replace(/\.$/, "").replace(/^The /, "the ")
      if (field.secret) yield* secret(section, name, what)
      else {
        // A tool may have a token endpoint of its own.
        const isOptional = name === "tokenUrl"
        yield* text(section, name, {
          message: `${capital(what)}${isOptional ? " (nothing: the tool's own)" : ""}:`,
          isOptional
        })
      }
    }
  }
  yield* text(StatusSettings, "port", {
    message: "Port of the status page, for this machine only, such as 8080 (nothing: no page):",
    isOptional: true
  })

  // What else was said with --set.
  const sections = [CoreSettings, ObservabilitySettings, StatusSettings, ...agent.sections]
  for (const section of sections) {
    for (const name of Object.keys(section.fields)) {
      if (choices.has(InitFile.nameOf(section, name))) continue
      const said = yield* flagged(section, name)
      if (said !== undefined) choices.set(InitFile.nameOf(section, name), said)
    }
  }
  const unknown = Object.keys(given.set).find((key) => !taken.has(key))
  if (unknown !== undefined) {
    return yield* usage(
      `--set ${unknown}=… names no setting of this agent. \`${given.environment.name} config reference\` lists all, such as ${settingName("core", "agent_key")}: core.agent_key.`
    )
  }
  if (missing.length > 0) {
    return yield* usage(
      ["Without questions, these flags are needed too:", ...missing.map((flag) => `  ${flag}`)].join("\n")
    )
  }
  return { agent, kind, choices, typed, variables }
})

const prompt = <A>(prompt: Prompt.Prompt<A>): Effect.Effect<A, never, Prompt.Environment> =>
  // Nobody answers any more: like Ctrl-C elsewhere.
  Effect.catchTag(prompt, "QuitError", () =>
    Effect.andThen(Console.error("\nNothing was written."), Effect.interrupt)
  )

const notBlank = (text: string): Effect.Effect<string, string> =>
  text.trim() === "" ? Effect.fail("Something is needed here") : Effect.succeed(text.trim())

const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
