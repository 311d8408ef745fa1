/** The Observability Handle over Node's HTTP, ready for programs. */
import type * as Config from "effect/Config"
import * as Layer from "effect/Layer"
import * as NodeHttp from "./NodeHttp.ts"
import { Observability } from "./Observability.ts"

/** The server that the settings `[observability]` name. */
export const layer: Layer.Layer<Observability, Config.ConfigError> = Observability.layerNoDeps.pipe(
  Layer.provide(NodeHttp.layer)
)
