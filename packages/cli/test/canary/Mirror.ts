/**
 * A server that says what it was told: its errors, pages, redirects and broken answers are full of the credentials of
 * the request. In between it passes requests on to a fake that answers them properly.
 */
import { Effect } from "effect"
import * as Http from "node:http"
import type * as Net from "node:net"

/** The ways in which it answers. */
export const manners = [
  "words",
  "details",
  "page",
  "text",
  "long",
  "refusal",
  "invalid",
  "absent",
  "busy",
  "redirect",
  "stranger",
  "challenge",
  "nonsense",
  "shape",
  "broken",
  "cut",
  "drop"
] as const

/** One of them, or the answer of the fake behind. */
export type Manner = (typeof manners)[number] | "pass"

/** A request as it arrived. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
  readonly manner: Manner
}

/** A mirror that listens. */
export interface Mirror {
  /** Scheme, host and port. */
  readonly url: string
  readonly port: number
  readonly asked: () => ReadonlyArray<Asked>
}

/** How a mirror is set up. */
export interface Options {
  /** How it answers the request with that number (from 0) to that path. */
  readonly next: (path: string, number: number) => Manner
  /** Scheme, host and port of the fake behind. */
  readonly behind?: string | undefined
  /** Where requests are sent on to by `stranger`. */
  readonly stranger?: string | undefined
  /** The access token that its sign-in service gives out. */
  readonly token?: string | undefined
}

/** Listens on a port of 127.0.0.1 until the scope closes, which cuts all connections. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const asked: Array<Asked> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const created = Http.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const path = request.url ?? "/"
          const body = Buffer.concat(chunks).toString("utf8")
          const manner = options.next(path, asked.length)
          const one = { method: request.method ?? "", path, headers: request.headers, body, manner }
          asked.push(one)
          if (manner === "pass") pass(one, options, response)
          else answer(one, manner, options, response)
        })
      })
      // Whoever asked may be gone before the answer.
      created.on("connection", (socket) => socket.on("error", () => {}))
      // As a proxy: it lets nobody through, and says who asked.
      created.on("connect", (request, socket) => {
        const { headers, url = "" } = request
        asked.push({ method: "CONNECT", path: url, headers, body: "", manner: "words" })
        const body = echo({ method: "CONNECT", path: url, headers, body: "" })
        socket.end(
          `HTTP/1.1 407 Proxy ${url}\r\nproxy-authenticate: ${headers["proxy-authorization"] ?? "Basic"}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
        )
      })
      created.listen(0, "127.0.0.1", () => resume(Effect.succeed(created)))
    }),
    (running) =>
      Effect.callback<void>((resume) => {
        running.close(() => resume(Effect.void))
        running.closeAllConnections()
      })
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const mirror: Mirror = { url: `http://127.0.0.1:${port}`, port, asked: () => asked }
  return mirror
})

/** All that the request holds, and its credentials in all the ways that servers write them, over and over. */
const echo = ({ body, headers, method, path }: Omit<Asked, "manner">): string => {
  const tokens = credentials(headers, path)
  return [
    tokens.join(" "),
    `${method} ${path}`,
    JSON.stringify(headers),
    body,
    ...tokens.flatMap((token) => [
      encodeURIComponent(token),
      JSON.stringify(token),
      Buffer.from(token).toString("base64"),
      Buffer.from(`user:${token}`).toString("base64"),
      token
        .replaceAll("&", "&amp;")
        .replaceAll("<", "&lt;")
        .replaceAll('"', "&quot;")
        .replaceAll("'", "&#39;")
    ]),
    // Wherever a text is cut, it is cut within one.
    `${tokens.join(" ")} `.repeat(40)
  ].join(" | ")
}

/** Within single quotes, as Python shows a text. */
const inPython = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")

const inHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;")

const credentials = (headers: Http.IncomingHttpHeaders, path: string): ReadonlyArray<string> => {
  const header = headers.authorization ?? headers["proxy-authorization"] ?? ""
  const bare = header.replace(/^\w+\s+/, "")
  const basic = /^basic /i.test(header) ? [Buffer.from(bare, "base64").toString("utf8")] : []
  const key = headers["serviceaccountauthenticationkey"]
  const query = [...new URL(path, "http://mirror").searchParams.values()]
  return [
    bare,
    ...basic,
    ...basic.map((pair) => pair.slice(pair.indexOf(":") + 1)),
    ...[key ?? []].flat(),
    ...query
  ].filter((text) => text !== "")
}

const answer = (
  asked: Asked,
  manner: Exclude<Manner, "pass">,
  { stranger }: Options,
  response: Http.ServerResponse
): void => {
  const words = echo(asked)
  const header = (credentials(asked.headers, asked.path)[0] ?? "").replaceAll(/[^\x20-\x7e]/g, "")
  const json = (status: number, body: unknown, headers: Http.OutgoingHttpHeaders = {}) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))
  const page = inHtml(words)
  const html = (status: number) =>
    response
      .writeHead(status, { "content-type": "text/html" })
      .end(`<html><head><title>${page}</title></head><body><h1>${page}</h1><p>${page}</p></body></html>`)
  switch (manner) {
    case "words":
      return void json(401, {
        error_code: "UNAUTHENTICATED",
        message: words,
        error: words,
        error_description: words
      })
    case "details":
      return void json(500, {
        error: words,
        error_id: header,
        details: { message: words, timestamp: header }
      })
    case "page":
      return void html(403)
    case "text":
      return void response.writeHead(500, { "content-type": "text/plain" }).end(words)
    case "long":
      return void json(400, {
        error_code: header,
        message: `${"x".repeat(430)}${`${header}${header} `.repeat(60)}`
      })
    case "refusal":
      return void json(403, { error_code: `PERMISSION_DENIED: ${header}`, message: words })
    case "invalid":
      return void json(400, {
        error: `Invalid request: {'${inPython(header)}': ['${inPython(words)}']}`,
        details: words
      })
    case "absent":
      return void json(404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: words })
    case "busy":
      return void json(
        429,
        { error_code: "REQUEST_LIMIT_EXCEEDED", message: words },
        { "retry-after": header }
      )
    case "redirect":
      return void response
        .writeHead(302, {
          location: `http://user:${encodeURIComponent(header)}@127.0.0.1:1/?token=${encodeURIComponent(header)}&all=${encodeURIComponent(credentials(asked.headers, asked.path).join(" "))}`
        })
        .end(words)
    case "stranger":
      return void response.writeHead(307, { location: `${stranger ?? "http://127.0.0.1:1"}/elsewhere` }).end()
    case "challenge":
      return void response
        .writeHead(401, header, { "www-authenticate": `Bearer realm="${header}", error="${header}"` })
        .end()
    case "nonsense":
      return void html(200)
    case "shape":
      return void json(200, {
        runs: words,
        run_id: words,
        tasks: header,
        has_more: words,
        next_page_token: [words],
        access_tokens: header,
        oidc_endpoint: header,
        token_endpoint: header
      })
    case "broken":
      return raw(response, `HTTP/1.1 200 OK\r\ncontent-length: ${header}\r\n${header}\r\n\r\n${words}`)
    case "cut":
      return raw(
        response,
        `HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: 999999\r\n\r\n{"message":${JSON.stringify(words)}`
      )
    case "drop":
      return void response.socket?.destroy()
  }
}

const raw = (response: Http.ServerResponse, text: string): void => {
  const socket: Net.Socket | null = response.socket
  socket?.write(text, () => socket.destroy())
}

const pass = (asked: Asked, options: Options, response: Http.ServerResponse): void => {
  if (options.token !== undefined && asked.path.split("?", 1)[0]?.endsWith("/token") === true) {
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ access_token: options.token, token_type: "Bearer", expires_in: 3600 }))
    return
  }
  if (options.behind === undefined || asked.path.includes("/.well-known/")) {
    response.writeHead(404).end()
    return
  }
  const { host: _host, connection: _connection, ...headers } = asked.headers
  // Parameters that were added to everything are no concern of the fake.
  const url = new URL(asked.path, options.behind)
  const planted = Array.from(url.searchParams.keys()).filter((name) => name.startsWith("planted"))
  for (const name of planted) url.searchParams.delete(name)
  const request = Http.request(url, { method: asked.method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
  })
  request.on("error", () => response.destroy())
  request.end(asked.body)
}
