/** How far this machine's clock is from the clocks of those it talks to, by the header `Date` of their answers. */
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as Result from "effect/Result"
import * as Table from "./Table.ts"

/** What the answers of one host said: positive where this machine's clock is ahead. */
export interface Reading {
  readonly host: string
  readonly aheadMillis: number
}

/** A transport that reads along, and what it has read: the smallest difference for each host. */
export interface Watch {
  readonly transport: HttpTransport["Service"]
  readonly readings: () => ReadonlyArray<Reading>
}

/** Clocks that differ by less are taken to agree. */
export const TOLERANCE_MILLIS = 30_000

/** Reads along with a transport. */
export const watch = (transport: HttpTransport["Service"]): Watch => {
  const hosts = new Map<string, number>()
  const read = HttpClient.tap((response) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const date = Headers.parseHttpDate(response.headers["date"] ?? "")
      const { url } = response.request
      if (Result.isFailure(date) || !URL.canParse(url)) return
      const { host } = new URL(url)
      // The header leaves out the fraction of a second: half of one on average.
      const ahead = now - date.success.epochMilliseconds - 500
      const known = hosts.get(host)
      if (known === undefined || Math.abs(ahead) < Math.abs(known)) hosts.set(host, ahead)
    })
  )
  return {
    transport: HttpTransport.of({ make: (settings) => Effect.map(transport.make(settings), read) }),
    readings: () => Array.from(hosts, ([host, aheadMillis]) => ({ host, aheadMillis }))
  }
}

/** The readings in a sentence or two, and whether the clock is to be set right. */
export const judge = (
  readings: ReadonlyArray<Reading>
): { readonly isRight: boolean; readonly text: string } => {
  const [worst] = [...readings].sort((a, b) => Math.abs(b.aheadMillis) - Math.abs(a.aheadMillis))
  if (worst === undefined) return { isRight: true, text: "not compared, as no answer told the time" }
  const by = Math.abs(worst.aheadMillis)
  if (by <= TOLERANCE_MILLIS) {
    return {
      isRight: true,
      text: `agrees with ${readings.map(({ host }) => host).join(", ")} to ${Math.max(1, Math.ceil(by / 1000))} s`
    }
  }
  return {
    isRight: false,
    text: `this machine's clock is ${Table.span(by)} ${worst.aheadMillis > 0 ? "ahead of" : "behind"} that of ${worst.host}. Events keep the times that the tool tells; but from when on runs are read, when credentials are renewed, and how late deliveries seem, go by this clock. Set it right, for example by NTP.`
  }
}
