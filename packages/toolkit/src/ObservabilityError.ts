/**
 * What can go wrong when something is sent to the Observability server, in the three kinds that a sender has to
 * tell apart: what was sent is wrong (`Rejected`), the configuration is wrong (`Unauthorized`), or the server cannot
 * be reached or answer at the moment (`Unavailable`).
 */
import * as Duration from "effect/Duration"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** One rule that an event breaks: the field by its path on the wire, the rule in words, and what was found. */
export const Issue = Schema.Struct({
  field: Schema.String,
  rule: Schema.String,
  found: Schema.String
})

/** The type of {@link Issue}. */
export type Issue = typeof Issue.Type

/**
 * What was sent can never be accepted: sending it again is useless. Either our own check refused it before it was
 * sent (then `issues` says why and `status` is absent), or the server did, with 400 or 413.
 */
export class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {
  /** The HTTP status of the answer; absent when nothing was sent. */
  status: Schema.optionalKey(Schema.Int),
  /** What the server said, made readable; or our own check's words. */
  words: Schema.String,
  /** The broken rules, when our own check refused. */
  issues: Schema.optionalKey(Schema.Array(Issue))
}) {
  /** The words. */
  override get message(): string {
    return this.words
  }
}

/**
 * The configuration is wrong: the key is missing, unknown, expired, not allowed for this service, its project is
 * inactive (401, 403), or the base URL leads elsewhere (404). It says nothing about what was sent.
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  /** 401, 403 or 404. */
  status: Schema.Int,
  /** What the server said, made readable. */
  words: Schema.String
}) {
  /** The words. */
  override get message(): string {
    return this.words
  }
}

/**
 * The server did not answer, or answered that it cannot at the moment. Trying again later is right.
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  /** The HTTP status of the answer; absent when there was none. */
  status: Schema.optionalKey(Schema.Int),
  /** What the server said, or what happened to the connection. */
  words: Schema.String,
  /** How long the answer asked to wait (`Retry-After`). */
  retryAfter: Schema.optionalKey(Schema.Duration),
  /** The number under which the server logged its error, if it told one (`error_id`). */
  errorId: Schema.optionalKey(Schema.String),
  /** Whether the server may have taken the event nevertheless, so that sending it again may double it there. */
  possiblyDelivered: Schema.Boolean
}) {
  /** The words. */
  override get message(): string {
    return this.words
  }
}

/** What went wrong. */
export type Reason = Rejected | Unauthorized | Unavailable

/** The schema of {@link Reason}. */
export const Reason = Schema.Union([Rejected, Unauthorized, Unavailable])

/**
 * The one error of the Observability Handle. Its `reason` tells what to do (`Effect.catchReason` works on it); its
 * `message` is a sentence for people: what was tried, where, the server's words, and what to do now.
 */
export class ObservabilityError extends Schema.TaggedError<ObservabilityError>()("ObservabilityError", {
  /** The method of the Handle that failed. */
  method: Schema.Literals(["post", "heartbeat", "ready", "authorized"]),
  /** Where it was sent, without user name, password and query. */
  url: Schema.String,
  /** What went wrong. */
  reason: Reason,
  /** The failure of the connection below it, if that was the cause. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  /** The exit code of a script that ends with it: 77 not let in, 69 not available, 1 refused. */
  override get [Runtime.errorExitCode](): number {
    return exitCodes[this.reason._tag]
  }

  /** What was tried, where, what the server said, and what to do now. */
  override get message(): string {
    return `${undertaking[this.method]} ${this.url} ${outcome(this.reason, this.method)}`
  }
}

const exitCodes = { Rejected: 1, Unauthorized: 77, Unavailable: 69 } as const satisfies Record<
  Reason["_tag"],
  number
>

const undertaking = {
  post: "Sending an event to",
  heartbeat: "Sending the heartbeat to",
  ready: "Asking whether the server is ready at",
  authorized: "Asking whether the server takes the key at"
}

const outcome = (reason: Reason, method: ObservabilityError["method"]): string => {
  switch (reason._tag) {
    case "Rejected":
      return reason.status === undefined
        ? `was refused before it was sent: ${stop(reason.words)} Correct what the tool's data is turned into; sending it again would not help.`
        : `was refused with ${reason.status}: ${stop(reason.words)} Sending it again would not help.`
    case "Unauthorized":
      return reason.status === 404
        ? `was answered with 404: ${stop(reason.words)} Check base_url of [observability]: it must be all that stands before events/ and agent/, for example http://host:8082/api/.`
        : `was answered with ${reason.status}: ${stop(reason.words)} Check service_account_key of [observability]: the key must be known, not expired, of an active project, and allowed for both the Events API and the Agent API.`
    case "Unavailable": {
      if (method === "ready" && reason.status === 500) {
        return "was answered with 500: it is not ready, its database or its queue cannot be reached. Try again later."
      }
      const answer = reason.status === undefined ? "failed" : `was answered with ${reason.status}`
      const number =
        reason.errorId === undefined ? "" : ` The server's log has it as error ${reason.errorId}.`
      const wait =
        reason.retryAfter === undefined
          ? ""
          : ` The server asks to wait ${Duration.format(reason.retryAfter)}.`
      const advice = reason.possiblyDelivered
        ? " It may have arrived nevertheless. Try again later."
        : reason.status === undefined
          ? " Is the server running, and is base_url of [observability] right? Try again later."
          : " Try again later."
      return `${answer}: ${stop(reason.words)}${number}${wait}${advice}`
    }
  }
}

const stop = (words: string): string => (/[.!?…]$/.test(words) ? words : `${words}.`)
