/**
 * The names that a new agent goes by: its package, its place in settings files, its tool. From one that is given, the others
 * follow; each is checked, so that what is written with them is valid.
 */
import * as Result from "effect/Result"

/** All names of one agent. */
export interface Names {
  /** The npm package: `@acme/agent-night-press`. */
  readonly package: string
  /** The tool as people write it: `Night Press`. Also what Observability shows. */
  readonly tool: string
  /** The value of `agent_type`, and the table of its settings: `night_press`. */
  readonly type: string
}

/** The folder that a package goes into unless told otherwise: its name without the scope. */
export const folderOf = (name: string): string => name.replace(/^@[^/]*\//, "")

/** The tool that a package's name speaks of: `Night Press` of `@acme/agent-night-press`. */
export const toolOf = (name: string): string => {
  const words = folderOf(name)
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== "")
  const own = words.filter((word) => !/^(agent|observability)$/i.test(word))
  return (own.length === 0 ? words : own)
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join(" ")
}

/** The name in settings that follows from the tool's: `night_press` of `Night Press`. */
export const typeOf = (tool: string): string =>
  tool
    // What is left of an accented letter is the letter.
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "")
    .join("_")

/** The type as part of names in code: `NightPress`. */
export const pascal = (type: string): string =>
  type
    .split("_")
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join("")

/** The type as part of names of programs and hosts: `night-press`. */
export const kebab = (type: string): string => type.replaceAll("_", "-")

/** A name that npm takes, or what is wrong with it. */
export const checkPackage = (name: string): Result.Result<string, string> => {
  const folder = folderOf(name)
  if (!/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name) || name.length > 214) {
    return Result.fail(
      `"${name}" is no name for an npm package: expected such as my-tool or @acme/my-tool, in lower case`
    )
  }
  return dependencies.has(name) || unusable.has(folder)
    ? Result.fail(`"${name}" is the name of something else: choose another one`)
    : Result.succeed(name)
}

/** A tool's name that Observability can show, or what is wrong with it. */
export const checkTool = (tool: string): Result.Result<string, string> =>
  /^[\p{L}\p{N}]+(?:[ _][\p{L}\p{N}]+)*$/u.test(tool) && tool.length <= 60
    ? Result.succeed(tool)
    : Result.fail(
        `"${tool}" is no name that Observability shows: expected at most 60 letters and digits, with single spaces or _ between them`
      )

/** A type that no other part of a settings file has, or what is wrong with it. */
export const checkType = (type: string): Result.Result<string, string> => {
  if (!/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(type) || type.length > 40) {
    return Result.fail(
      `"${type}" is no name for an agent's type: expected lower-case letters and digits, with single _ between them, such as my_tool`
    )
  }
  const first = type.replace(/_.*$/, "")
  return type === "core" || reserved.has(first)
    ? Result.fail(
        `"${type}" cannot be the agent's type: settings of that name have a meaning already. Choose another one, such as my_${type}`
      )
    : Result.succeed(type)
}

/**
 * First words that are taken: those of the tables of other agents and of what all agents share, and those that variables of
 * these begin with after `DK_`, for an agent of such a type would read them as its own.
 */
export const reserved: ReadonlySet<string> = new Set([
  "agent",
  "auth",
  "azure",
  "config",
  "credentials",
  "databricks",
  "health",
  "heartbeat",
  "history",
  "http",
  "log",
  "max",
  "oauth",
  "observability",
  "outbox",
  "send",
  "shutdown",
  "start",
  "state",
  "status",
  "telemetry",
  "unauthorized"
])

// ---- private parts

/** npm installs no package into one of the same name. */
const dependencies = new Set(["effect", "node", "typescript", "vitest"])

const unusable = new Set(["node_modules", "favicon.ico", "package", "test", "src", "dist"])
