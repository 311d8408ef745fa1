/**
 * Settings for tests: a ConfigProvider that holds what every agent requires, to which a test adds what it is about. The
 * names are those of the settings file: table, then key.
 *
 * ```ts
 * import { FakeObservability } from "@observability-agents/testing/FakeObservability"
 * import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
 * import { Layer } from "effect"
 *
 * // Those of a test agent, with a shorter period.
 * export const layer = SettingsFixture.layer({ scheduler: { period: 1 } }).pipe(Layer.provide(FakeObservability.layer))
 * ```
 */
import type { Sources } from "@observability-agents/toolkit/Sources"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { FakeObservability } from "./FakeObservability.ts"

/** Settings as the file writes them: tables of keys. */
export type Tables = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/**
 * What is set where a test says nothing else: the identity `test-agent` of the agent type `test`, and the given server.
 * Tables of `overrides` add to these, key by key.
 */
export const tables = (
  server: { readonly baseUrl: string; readonly key: Redacted.Redacted },
  overrides: Tables = {}
): Tables => {
  const merged: Record<string, Record<string, unknown>> = {
    core: { agent_type: "test", agent_key: "test-agent", state_path: ":memory:" },
    observability: { base_url: server.baseUrl, service_account_key: Redacted.value(server.key) }
  }
  for (const [table, keys] of Object.entries(overrides)) merged[table] = { ...merged[table], ...keys }
  return merged
}

/**
 * Makes these settings, with the fake server's address and key, the ConfigProvider of what it is provided to. As in a file, a
 * key that is empty text counts as not set; within a list of tables (`[[databricks.workspaces]]`) it is for the field to
 * say what that means.
 */
export const layer = (overrides: Tables = {}): Layer.Layer<never, never, FakeObservability> =>
  Layer.unwrap(
    Effect.map(FakeObservability, (server) =>
      ConfigProvider.layer(
        ConfigProvider.fromUnknown(withoutEmpty(tables(server, overrides)), { preserveEmptyStrings: true })
      )
    )
  )

/**
 * These tables as sources: a settings file `agent.toml` without an environment, for what reads and validates by itself.
 */
export const sources = (tables: Tables): Sources => ({
  file: "agent.toml",
  searched: ["agent.toml"],
  precedence: "file",
  contents: Redacted.make({ tables, variables: new Map(), files: new Map(), fallbacks: [], env: {} })
})

// ---- private

/** The tables without keys that are empty text. */
const withoutEmpty = (tables: Tables): Tables =>
  Object.fromEntries(
    Object.entries(tables).map(([table, keys]) => [
      table,
      Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== ""))
    ])
  )
