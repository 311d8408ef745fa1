/** A status server made up for the commands that look on: it says what a test wants. */
import type { Snapshot } from "@observability-agents/core/Status"
import { Effect } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"

/** An agent that works, as its status server tells. */
export const snapshot: Snapshot = {
  at: "2026-01-05T08:10:00.000Z",
  startedAt: "2026-01-05T08:00:00.000Z",
  agent: { key: "production", type: "databricks", tool: "DATABRICKS", version: "0.1.0" },
  ready: { ok: true, reasons: [] },
  live: { ok: true, reasons: [] },
  heartbeat: { state: "sent", lastSent: "2026-01-05T08:09:20.000Z" },
  parts: [
    {
      name: "list runs",
      state: "ok",
      since: "2026-01-05T08:00:01.000Z",
      lastSuccess: "2026-01-05T08:09:58.000Z",
      reason: null
    },
    {
      name: "send events",
      state: "failing",
      since: "2026-01-05T08:09:50.000Z",
      lastSuccess: null,
      reason: "503"
    }
  ],
  outbox: {
    pending: 12,
    inFlight: 2,
    lanes: 3,
    deadLetters: 1,
    delivered: 1234,
    oldestPending: "2026-01-05T08:09:56.000Z",
    latestDelivered: null
  },
  lastMinute: { delivered: 30, committed: 42, lag: 2.25 },
  loops: [
    {
      name: "list runs",
      kind: "periodic",
      period: 5,
      runs: 120,
      failures: 1,
      lastSuccess: "2026-01-05T08:09:58.000Z",
      busySince: null,
      ended: false
    },
    {
      name: "send events",
      kind: "receive",
      period: null,
      runs: 40,
      failures: 3,
      lastSuccess: null,
      busySince: null,
      ended: false
    }
  ],
  channels: [{ name: "runs", depth: 64, capacity: 64, waiting: 2 }],
  sources: [
    { source: "databricks https://adb-1.example.com", readUpTo: "2026-01-05T08:09:58.000Z", openRuns: 7 }
  ],
  runs: { open: 7, newest: [] },
  deadLetters: [],
  events: [],
  problems: [],
  samples: []
}

/** An answer of JSON. */
export const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status })

/** News as server-sent events, after which the connection ends. */
export const news = (...items: ReadonlyArray<object>): Response =>
  new Response(items.map((item) => `event: activity\ndata: ${JSON.stringify(item)}\n\n`).join(""), {
    headers: { "content-type": "text/event-stream" }
  })

/** A client that this function answers, by path; undefined: nobody listens. */
export const client = (
  answer: (path: string, headers: Readonly<Record<string, string | undefined>>) => Response | undefined
): HttpClient.HttpClient =>
  HttpClient.make((request, url) => {
    const response = answer(url.pathname, request.headers)
    return response === undefined
      ? Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({
              request,
              cause: Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })
            })
          })
        )
      : Effect.succeed(HttpClientResponse.fromWeb(request, response))
  })
