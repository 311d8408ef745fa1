/**
 * The faults of the Observability server that every agent survives, by name: what the server, a proxy before it or the
 * network between does for a while. The tool's own faults come from its fake, and are given by the author of the agent.
 */
import * as ServerFault from "./ServerFault.ts"

/** The server's faults by name. Each strikes every request, signs of life too, until it is over. */
export const server: Readonly<Record<string, ServerFault.ServerFault>> = {
  "answers 500 with its own error": ServerFault.serverError(),
  "cannot queue events": ServerFault.queueDown,
  "answers 500 with a page, its worker killed": ServerFault.workerKilled,
  "is behind a proxy that answers 502": ServerFault.badGateway,
  "is behind a proxy that answers 503 and says when to come back": ServerFault.overloaded("20"),
  "is behind a proxy that answers 504, the work done": ServerFault.afterWork(ServerFault.gatewayTimeout),
  "limits the rate": ServerFault.tooManyRequests("10"),
  "closes the connection": ServerFault.drop,
  "closes the connection, the work done": ServerFault.afterWork(ServerFault.drop),
  "never answers": ServerFault.silence,
  "never answers, the work done": ServerFault.afterWork(ServerFault.silence),
  "answers slowly": ServerFault.slow("5 seconds"),
  "does not accept the key": ServerFault.empty(401)
}
