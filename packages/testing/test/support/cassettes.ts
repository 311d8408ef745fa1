/** What the tests of cassettes stand on: files in memory, a tool in the process, and a tool behind a real port. */
import { Cassette, type Options } from "@observability-agents/testing/Cassette"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { ConfigProvider, Effect, FileSystem, Layer, PlatformError } from "effect"
import { HttpClient, type HttpClientRequest, HttpClientResponse } from "effect/http"
import * as Http from "node:http"

/** Files that are texts in a Map, by their paths. On a disk that is full, half of a text is written. */
export const files = (contents: Map<string, string>, isFull = false): Layer.Layer<FileSystem.FileSystem> => {
  const failed = (_tag: "NotFound" | "WriteZero", method: string, path: string) =>
    PlatformError.systemError({ _tag, module: "FileSystem", method, pathOrDescriptor: path })
  return FileSystem.layerNoop({
    exists: (path) => Effect.sync(() => contents.has(path)),
    readFileString: (path) => {
      const text = contents.get(path)
      return text === undefined
        ? Effect.fail(failed("NotFound", "readFileString", path))
        : Effect.succeed(text)
    },
    makeDirectory: () => Effect.void,
    writeFileString: (path, text) =>
      Effect.suspend(() => {
        contents.set(path, isFull ? text.slice(0, text.length / 2) : text)
        return isFull ? Effect.fail(failed("WriteZero", "writeFileString", path)) : Effect.void
      }),
    remove: (path) => Effect.sync(() => void contents.delete(path)),
    rename: (from, to) =>
      Effect.sync(() => {
        contents.set(to, contents.get(from) ?? "")
        contents.delete(from)
      })
  })
}

/** What a tool in the process answers: a body, or a whole answer. */
export type Tool = (
  url: URL,
  request: HttpClientRequest.HttpClientRequest
) => Response | string | Effect.Effect<Response>

/** A client of that tool, which counts what it was asked. */
export const tool = (answer: Tool) => {
  const asked: Array<string> = []
  const client = HttpClient.make((request, url) => {
    asked.push(`${request.method} ${url.host}${url.pathname}${url.search}`)
    const given = answer(url, request)
    return Effect.map(
      Effect.isEffect(given)
        ? given
        : Effect.succeed(
            typeof given === "string"
              ? new Response(given, { headers: { "content-type": "application/json" } })
              : given
          ),
      (response) => HttpClientResponse.fromWeb(request, response)
    )
  })
  return { asked, client }
}

/** A cassette among these files, before this tool, in this environment. */
export const layer = (
  contents: Map<string, string>,
  options: Partial<Options> = {},
  {
    client = tool(() => Response.error()).client,
    environment = {},
    isFull = false
  }: {
    readonly client?: HttpClient.HttpClient
    readonly environment?: Readonly<Record<string, string>>
    readonly isFull?: boolean
  } = {}
) =>
  Cassette.layer({ path: "tape.json", ...options }).pipe(
    Layer.provide([
      files(contents, isFull),
      HttpTransport.layerClient(client),
      ConfigProvider.layer(ConfigProvider.fromUnknown(environment))
    ])
  )

/** A server on a port of the loopback interface, for as long as the scope is open: its origin. */
export const serve = (handler: Http.RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer(handler)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
    })
  )
