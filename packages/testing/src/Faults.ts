/**
 * The faults that every agent survives, by name: what the Observability server, the network to the tool, and the state store
 * do for a while. The tool's own faults come from its fake, and are given by the author of the agent.
 */
import type { NetworkFault, StoreFault } from "./AgentSuiteTrouble.ts"
import * as FaultyStore from "./FaultyStore.ts"
import * as HttpFault from "./HttpFault.ts"
import * as Rows from "./Rows.ts"
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

/**
 * The faults of the network to the tool by name: they strike the requests to all hosts of the scenario, whatever the tool is. An
 * agent whose tool has no hosts is not touched by them.
 */
export const network: Readonly<Record<string, NetworkFault>> = {
  "lets nothing through": { fault: HttpFault.drop, share: 1 },
  "drops every other request": { fault: HttpFault.drop, share: 0.5 },
  "swallows requests": { fault: HttpFault.silence, share: 1 },
  "is slow": { fault: HttpFault.slow("8 seconds"), share: 1 },
  "goes dead within every answer": { fault: HttpFault.halfOpen(1), share: 1 },
  "breaks off within every other answer": { fault: HttpFault.cut(), share: 0.5 },
  "cuts answers short": { fault: HttpFault.truncated(), share: 1 },
  "lets answers drip": { fault: HttpFault.trickle("1 second", 64), share: 1 },
  "has a proxy that answers 429 most of the time": {
    fault: HttpFault.tooManyRequests("5"),
    share: 0.8
  },
  "has a proxy that answers 502": { fault: HttpFault.badGateway, share: 1 }
}

/**
 * The faults of lists by name, in answers whose rows stand there: what tools do whose lists change while they are read. Rows that
 * come late are not among them: how late, the agent's author knows.
 */
export const rows = (rows: Rows.Rows): Readonly<Record<string, NetworkFault>> => ({
  "lists each row twice": { fault: HttpFault.duplicated(rows), share: 1 },
  "lists rows in any order": { fault: HttpFault.shuffled(rows), share: 1 },
  "lists rows the other way round": {
    fault: HttpFault.json((body) => Rows.change(rows, body, (all) => all.toReversed())),
    share: 1
  }
})

/** The faults of the state store by name. */
export const store: Readonly<Record<string, StoreFault>> = {
  "has no room left": { fault: FaultyStore.diskFull, where: ({ name }) => WRITES.includes(name) },
  "is held by another program now and then": {
    fault: FaultyStore.busy,
    where: ({ name }) => name === "begin",
    share: 0.5
  },
  "fails at the commit": {
    fault: FaultyStore.diskBroken,
    where: ({ name }) => name === "commit",
    share: 0.7
  },
  "commits, and says that it could not": {
    fault: FaultyStore.doneButUnavailable,
    where: ({ name }) => name === "commit" || name === "delivered",
    share: 0.8
  },
  "is slow": {
    fault: FaultyStore.slow("2 seconds"),
    where: ({ name }) => name === "commit" || name === "delivered"
  }
}

// ---- private

/** Steps that need room on the disk. */
const WRITES: ReadonlyArray<string> = ["insert events", "upsert runs", "move cursor", "commit"]
