/**
 * The settings of the status server: the table `[status]`. It is off unless a port is given, and reached from this machine
 * only unless told otherwise; whoever opens it to others has to give a token.
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Settings from "@observability-agents/toolkit/Settings"

const TABLE = "status"

/** Whether an address is reached from this machine only. */
export const isLoopback = (host: string): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host.trim())

/** The section `[status]`. */
export const StatusSettings = Settings.section(TABLE, {
  description:
    "The agent's own HTTP server: health for orchestrators, metrics for Prometheus, and a live status page for people.",
  fields: {
    port: Settings.optional(
      Settings.integer({
        description:
          "The port it listens on; 0 takes any that is free and logs it. Unless given, there is no server.",
        min: 0,
        max: 65_535,
        example: "8080"
      })
    ),
    host: Settings.nonEmptyString({
      description:
        "The address it listens on. With any other than the default, `token` is required, for whoever can reach the page reads the names of jobs.",
      default: "127.0.0.1"
    }),
    token: Settings.optional(
      Settings.secret({
        description:
          "What has to be shown to read anything but `/health/live` and `/health/ready`: as `Authorization: Bearer …`, or in a browser once as `/?token=…`. At least 16 characters."
      })
    ),
    hosts: Settings.list(Schema.NonEmptyString, {
      description:
        "Names of this machine by which the server may be asked for. `localhost`, `host` and plain IP addresses always may; others are refused, because a web page could point a name of its own here.",
      default: [],
      example: "agent,agent.example.com"
    }),
    staleAfter: Settings.seconds({
      description:
        "How long a source may go unread beyond its period, an event wait undelivered, or a part of the agent fail, before `/health/ready` says that the agent is not ready.",
      default: 300,
      exclusiveMinimum: 0
    }),
    stuckAfter: Settings.seconds({
      description:
        "How long a task may hang, for no reason outside of the agent, before `/health/live` says that the agent has to be restarted. At least what a request may take with the settings of `[http]` and `[observability]`: `read_timeout` times `retries` + 1, and a minute for each retry.",
      default: 1800,
      exclusiveMinimum: 0
    })
  },
  check: (look) => {
    const host = look.value(TABLE, "host")
    const token = look.value(TABLE, "token")
    if (look.value(TABLE, "port") === undefined) return []
    const where = (field: string) =>
      Option.match(Option.fromUndefinedOr(look.origin(TABLE, field)), {
        onNone: () => "",
        onSome: Settings.describeOrigin
      })
    const isShort = Redacted.isRedacted(token) && String(Redacted.value(token)).length < SHORTEST_TOKEN
    if (isShort) {
      return [
        {
          setting: "[status] token",
          what: "the token could be guessed",
          where: where("token"),
          expected: `at least ${SHORTEST_TOKEN} characters, such as \`openssl rand -hex 24\` gives`,
          found: "a shorter one"
        }
      ]
    }
    if (typeof host !== "string" || isLoopback(host) || token !== undefined) return []
    return [
      {
        setting: "[status] token",
        what: `the status server would be open to everybody who reaches ${host}`,
        where: where("host"),
        expected: "a token beside a host other than 127.0.0.1, or no host",
        found: "no token"
      }
    ]
  }
})

const SHORTEST_TOKEN = 16

/** The values of the section. */
export type StatusSettings = typeof StatusSettings extends Settings.Section<infer A> ? A : never
