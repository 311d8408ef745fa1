import { assert, describe, it } from "@effect/vitest"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { DateTime, Effect, Layer } from "effect"
import * as Channel from "../src/Channel.ts"
import * as Graph from "../src/Graph.ts"
import * as Loop from "../src/Loop.ts"
import * as Scripted from "./support/scripted.ts"

const noNetwork = Layer.succeed(HttpTransport, {
  make: () => Effect.die("a graph is drawn without the network")
})

/** The edges by names. */
const ways = ({ edges, nodes }: Graph.Graph) => {
  const name = (id: string) => nodes.find((node) => node.id === id)?.name ?? id
  return edges.map(({ from, to }) => `${name(from)} → ${name(to)}`).sort()
}

const FRAMEWORK = ["Outbox → send events", "heartbeat → Observability", "send events → Observability"]

describe("Graph", () => {
  it.effect("an agent is drawn from what its Layer wires, and nothing of it runs", () =>
    Effect.gen(function* () {
      let polls = 0
      const agent = Scripted.make({ poll: () => Effect.sync(() => ((polls += 1), [])) })
      // Its Loops would have had time to run.
      const layer = Layer.effectDiscard(Effect.repeat(Effect.yieldNow, { times: 20 })).pipe(
        Layer.provide(agent.layer)
      )
      const graph = yield* Graph.ofAgent({ ...agent, layer })
      assert.strictEqual(polls, 0)
      assert.deepStrictEqual(
        ways(graph),
        [
          ...FRAMEWORK,
          "scripted → list runs",
          "list runs → runs",
          "runs → track runs",
          "track runs → Outbox"
        ].sort()
      )
      assert.deepInclude(graph.nodes, {
        id: "channel:runs",
        kind: "channel",
        name: "runs",
        detail: "Channel of 64"
      })
      assert.strictEqual(graph.nodes.find(({ name }) => name === "list runs")?.detail, "every 10 s")
    }).pipe(Effect.provide(noNetwork))
  )

  it.effect("two sources that share a Channel, and a Loop that sends by two, are drawn as they are", () =>
    Effect.gen(function* () {
      const layer = Layer.unwrap(
        Effect.gen(function* () {
          const one = yield* Channel.make<number>("one", { capacity: 8 })
          const two = yield* Channel.make<number>("two")
          const [a, b, c] = [
            yield* Channel.sender(one),
            yield* Channel.sender(one),
            yield* Channel.sender(two)
          ]
          const from = DateTime.now
          return Layer.mergeAll(
            Loop.periodic("first", { period: "1 minute", from, onEnd: a.close }, () => a.send(1)),
            Loop.periodic(
              "second",
              { period: "4 hours", from, sends: [b, c], onEnd: Effect.andThen(b.close, c.close) },
              () => c.send(1)
            ),
            Loop.receive("merge", one.receiver, () => Effect.void),
            Loop.receive("other", two.receiver, () => Effect.void)
          )
        })
      )
      assert.deepStrictEqual(
        ways(yield* Graph.ofAgent({ tool: "tool", layer })),
        [
          ...FRAMEWORK,
          "tool → first",
          "tool → second",
          "first → one",
          "second → one",
          "second → two",
          "one → merge",
          "two → other",
          "merge → Outbox",
          "other → Outbox"
        ].sort()
      )
    }).pipe(Effect.provide(noNetwork))
  )

  it("names cannot break out of Mermaid or DOT", () => {
    const graph = Graph.make(`a"] <b>\nend`, {
      loops: [{ name: `x\\"y`, kind: "once", receives: undefined, sends: [], period: () => undefined }],
      channels: []
    })
    assert.include(Graph.mermaid(graph), `n0[("a#34;] #60;b#62; end<br/>`)
    assert.include(Graph.dot(graph), `label="x\\\\\\"y\\nonce"`)
    for (const line of Graph.dot(graph).split("\n")) assert.match(line, /^(digraph agent \{|\}|  .*)?$/)
  })
})
