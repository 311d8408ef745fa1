/**
 * Cassettes on Node: files of this machine, and the toolkit's HTTP client with its proxies and certificates for recording.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import * as Cassette from "./Cassette.ts"
import type { CassetteError } from "./CassetteTape.ts"

/** Those of `Cassette`; `path` is also a URL such as `new URL("cassettes/runs.json", import.meta.url)`. */
export interface Options extends Omit<Cassette.Options, "path"> {
  readonly path: string | URL
}

/**
 * The cassette of a file; see `Cassette.layer`.
 *
 * ```ts
 * import * as NodeCassette from "@observability-agents/testing/NodeCassette"
 *
 * export const layer = NodeCassette.layer({
 *   path: new URL("cassettes/runs.json", import.meta.url),
 *   hosts: { "workspace.test": process.env["WORKSPACE_URL"] },
 *   secrets: [process.env["WORKSPACE_TOKEN"] ?? ""],
 *   ignore: ["start_time_from"],
 *   exhausted: "last"
 * })
 * ```
 */
export const layer = (options: Options): Layer.Layer<Cassette.Cassette, CassetteError> =>
  Cassette.Cassette.layer({ ...options, path: pathOf(options.path) }).pipe(
    Layer.provide(Layer.merge(NodeFileSystem.layer, NodeHttp.layer))
  )

// ---- private

const pathOf = (path: string | URL): string =>
  typeof path === "string" ? (path.startsWith("file:") ? fileURLToPath(path) : path) : fileURLToPath(path)
