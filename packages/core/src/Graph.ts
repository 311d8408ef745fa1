/**
 * The graph of an agent: its tool, its Loops and Channels, the Outbox, and the server, with the ways that data takes. It is
 * made of what the agent's Layer wired (`Wiring`) and what the framework puts around every agent, and can be written
 * as Mermaid and as DOT.
 *
 * Which Loop sends by which Channel is known from the Loop's `onEnd` or `sends`. A Loop of the agent that sends by none commits
 * to the Outbox, which is where all data goes; one that gets no messages reads the tool.
 */
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Agent } from "./Agent.ts"
import * as EventSender from "./EventSender.ts"
import { Health } from "./Health.ts"
import * as Heartbeat from "./Heartbeat.ts"
import type { Outbox } from "./Outbox.ts"
import * as OutboxMemory from "./OutboxMemory.ts"
import { Supervisor } from "./Supervisor.ts"
import * as Wiring from "./Wiring.ts"

/**
 * What stands at one place of the graph.
 *
 * @category models
 */
export interface Node {
  /** Names it within the graph: its kind and its name. */
  readonly id: string
  readonly kind: "tool" | "loop" | "channel" | "outbox" | "server"
  readonly name: string
  /** A few words about it. */
  readonly detail: string
}

/**
 * A way that data takes.
 *
 * @category models
 */
export interface Edge {
  readonly from: string
  readonly to: string
  readonly label?: string | undefined
}

/**
 * Nodes and edges in the direction of the data, the tool first.
 *
 * @category models
 */
export interface Graph {
  readonly nodes: ReadonlyArray<Node>
  readonly edges: ReadonlyArray<Edge>
}

/** What is needed of a Loop to draw it. */
type LoopPart = Pick<Wiring.Loop, "name" | "kind" | "receives" | "sends" | "period">

/**
 * The graph of these parts around the framework's own.
 *
 * @category constructors
 */
export const make = (
  tool: string,
  parts: {
    readonly loops: ReadonlyArray<LoopPart>
    readonly channels: ReadonlyArray<Pick<Wiring.Channel, "name" | "capacity">>
  }
): Graph => {
  const own = parts.loops.filter(({ name }) => name !== EventSender.LOOP && name !== Heartbeat.LOOP)
  const toolNode: Node = { id: `tool:${tool}`, kind: "tool", name: tool, detail: "the tool that is watched" }
  const outbox: Node = {
    id: "outbox",
    kind: "outbox",
    name: "Outbox",
    detail: "events, tracked runs, cursor"
  }
  const server: Node = { id: "server", kind: "server", name: "Observability", detail: "the server" }
  const loops = own.map((loop): Node => ({
    id: `loop:${loop.name}`,
    kind: "loop",
    name: loop.name,
    detail: detailOf(loop)
  }))
  const channels = parts.channels.map(({ capacity, name }): Node => ({
    id: `channel:${name}`,
    kind: "channel",
    name,
    detail: `Channel of ${capacity}`
  }))
  const edges = own.flatMap((loop): ReadonlyArray<Edge> => {
    const id = `loop:${loop.name}`
    const known = (channel: string) => parts.channels.some(({ name }) => name === channel)
    const isFed = loop.receives !== undefined && known(loop.receives)
    const sends = loop.sends.filter(known)
    const reads = !isFed && loop.kind !== "receive"
    return [
      ...(isFed ? [{ from: `channel:${loop.receives}`, to: id }] : []),
      ...(reads ? [{ from: toolNode.id, to: id, label: "Handle" }] : []),
      ...sends.map((channel): Edge => ({ from: id, to: `channel:${channel}` })),
      ...(sends.length === 0 ? [{ from: id, to: outbox.id, label: "commit" }] : [])
    ]
  })
  const send: Node = {
    id: `loop:${EventSender.LOOP}`,
    kind: "loop",
    name: EventSender.LOOP,
    detail: "for each event that is due"
  }
  const beat: Node = {
    id: `loop:${Heartbeat.LOOP}`,
    kind: "loop",
    name: Heartbeat.LOOP,
    detail: "while healthy"
  }
  return {
    nodes: [toolNode, ...loops, ...channels, outbox, send, beat, server],
    edges: [
      ...edges,
      { from: outbox.id, to: send.id, label: "heads of lanes" },
      { from: send.id, to: server.id, label: "Handle" },
      { from: beat.id, to: server.id, label: "only while healthy" }
    ]
  }
}

/**
 * The graph of an agent that is not running: its Layer is built with the settings that are provided, but no Loop of it
 * runs, and nothing is stored or sent.
 *
 * @category constructors
 */
export const ofAgent = <E>(agent: Pick<Agent<E>, "layer" | "tool">): Effect.Effect<Graph, E, HttpTransport> =>
  Effect.scoped(
    Effect.gen(function* () {
      const wiring = Wiring.make({ dry: true })
      const around: Layer.Layer<Outbox | Health | Supervisor> = Layer.mergeAll(
        OutboxMemory.layer(),
        Health.layer,
        Supervisor.layer
      )
      yield* Layer.build(
        Layer.provide(
          agent.layer,
          Layer.merge(around, Layer.succeedContext(Context.make(Wiring.Current, wiring)))
        )
      )
      return make(agent.tool, { loops: wiring.loops(), channels: wiring.channels() })
    })
  )

/**
 * As a Mermaid flowchart.
 *
 * @category conversions
 */
export const mermaid = (graph: Graph): string => {
  const ids = numbered(graph)
  const shape = (node: Node): string => {
    const text = `"${mermaidText(node.name)}<br/>${mermaidText(node.detail)}"`
    switch (node.kind) {
      case "tool":
      case "outbox":
      case "server":
        return `[(${text})]`
      case "channel":
        return `([${text}])`
      case "loop":
        return `[${text}]`
    }
  }
  return [
    "flowchart LR",
    ...graph.nodes.map((node) => `  ${ids.get(node.id)}${shape(node)}`),
    ...graph.edges.map(({ from, label, to }) => {
      const arrow = label === undefined ? "-->" : `-->|"${mermaidText(label)}"|`
      return `  ${ids.get(from)} ${arrow} ${ids.get(to)}`
    }),
    ""
  ].join("\n")
}

/**
 * In the DOT language of Graphviz.
 *
 * @category conversions
 */
export const dot = (graph: Graph): string => {
  const ids = numbered(graph)
  const shape = {
    tool: "cylinder",
    outbox: "cylinder",
    server: "cylinder",
    channel: "cds",
    loop: "box"
  } as const
  return [
    "digraph agent {",
    "  rankdir=LR",
    '  node [fontname="sans-serif"]',
    ...graph.nodes.map(
      (node) =>
        `  ${ids.get(node.id)} [shape=${shape[node.kind]}, label=${dotText(`${node.name}\n${node.detail}`)}]`
    ),
    ...graph.edges.map(
      ({ from, label, to }) =>
        `  ${ids.get(from)} -> ${ids.get(to)}${label === undefined ? "" : ` [label=${dotText(label)}]`}`
    ),
    "}",
    ""
  ].join("\n")
}

const numbered = (graph: Graph): ReadonlyMap<string, string> =>
  new Map(graph.nodes.map(({ id }, index) => [id, `n${index}`]))

const mermaidText = (text: string): string =>
  text.replace(/[&"<>#\n\r]/g, (character) => (character < " " ? " " : `#${character.charCodeAt(0)};`))

const dotText = (text: string): string =>
  `"${text.replace(/[\\"]/g, "\\$&").replace(/\r/g, " ").replace(/\n/g, "\\n")}"`

const detailOf = ({ kind, period }: LoopPart): string => {
  switch (kind) {
    case "periodic":
      return `every ${span(period())}`
    case "receive":
      return "for each message"
    case "schedule":
      return "by a Schedule"
    case "once":
      return "once"
  }
}

const span = (millis: number | undefined): string => {
  if (millis === undefined) return "so often"
  const seconds = millis / 1000
  if (seconds < 120) return `${Math.round(seconds * 10) / 10} s`
  return seconds < 7200 ? `${Math.round(seconds / 6) / 10} min` : `${Math.round(seconds / 360) / 10} h`
}
