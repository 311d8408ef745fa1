/**
 * Where an event's trace goes on after it was interrupted: by a Channel, by the Outbox, by a restart. In memory the span
 * itself is carried; in the store it is a text in the form of the header `traceparent` (W3C Trace Context, version 00).
 *
 * Nobody traces unless a Tracer was provided that is not Effect's own, which keeps spans only for the causes of errors.
 * Then nothing is carried and nothing is stored.
 */
import * as TelemetryRelay from "@observability-agents/toolkit/TelemetryRelay"
import type { Fiber } from "effect/Fiber"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Tracer from "effect/Tracer"

/**
 * Whether somebody collects the spans of this fiber.
 *
 * @category getters
 */
export const isTraced = ({ cache: { tracer } }: Fiber<unknown, unknown>): boolean =>
  TelemetryRelay.isCollecting(tracer)

/**
 * The span that this fiber works in, if somebody collects it.
 *
 * @category getters
 */
export const spanOf = (fiber: Fiber<unknown, unknown>): Tracer.AnySpan | undefined =>
  isTraced(fiber) ? fiber.cache.span : undefined

/**
 * A span as a `traceparent`: 55 characters. A span that is not sampled says so in it, so that what follows is not either.
 *
 * @category conversions
 */
export const encode = (span: Tracer.AnySpan): string =>
  `00-${span.traceId.padStart(32, "0")}-${span.spanId}-${span.sampled ? "01" : "00"}`

/**
 * The span that a `traceparent` names; undefined for whatever is none of version 00.
 *
 * @category conversions
 */
export const decode = (traceparent: string | undefined): Tracer.ExternalSpan | undefined =>
  traceparent === undefined
    ? undefined
    : Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromInput({ traceparent })))

/**
 * Makes a commit in the span `Outbox.commit`, and tells it which `traceparent` its entries are to keep. Where nobody traces,
 * it is made as it is. Every driver of the Outbox does so.
 *
 * @category combinators
 */
export const withCommitSpan = <A, E, R>(
  commit: { readonly source: string; readonly entries: ReadonlyArray<unknown> },
  make: (traceparent: string | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    if (!isTraced(fiber)) return make(undefined)
    const attributes = { source: commit.source, events: commit.entries.length }
    return Effect.useSpan("Outbox.commit", { attributes }, (span) =>
      Effect.provideService(make(encode(span)), Tracer.ParentSpan, span)
    )
  })
