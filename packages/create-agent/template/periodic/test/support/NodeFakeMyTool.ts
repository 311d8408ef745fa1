/** The fake tool on a port of the loopback interface, for programs. */
import * as NodeLoopback from "@observability-agents/testing/NodeLoopback"
import { Effect } from "effect"
import { HttpServerRequest } from "effect/http"
import * as FakeMyTool from "./FakeMyTool.ts"

/** Serves one until the Scope closes. */
export const make = Effect.fnUntraced(function* (options: { readonly token: string }) {
  const tool = yield* FakeMyTool.make(options)
  const url = yield* NodeLoopback.serve(Effect.flatMap(HttpServerRequest.HttpServerRequest, tool.handle))
  return { ...tool, url }
})
