/**
 * The graph of an agent as a picture with live numbers: inline SVG, from left to right for wide screens and from top to bottom
 * for narrow ones. The picture repeats what the tables say, so those who do not see it miss nothing.
 */
import type { Edge, Graph, Node } from "./Graph.ts"
import type { Snapshot } from "./Status.ts"
import { type Html, markup } from "./StatusHtml.ts"
import * as Words from "./StatusWords.ts"

/** Draws it twice: the style sheet shows the one that fits the screen. */
export const draw = (graph: Graph, snapshot: Snapshot): Html =>
  markup`<div class="wide-only">${picture(graph, snapshot, "across")}</div>
<div class="narrow-only">${picture(graph, snapshot, "down")}</div>`

/** What a node says beside its name. */
interface Live {
  readonly text: string
  readonly state: "ok" | "failing" | "idle"
  /** How full it is, 0 to 1. */
  readonly fill?: number
}

const live = (node: Node, snapshot: Snapshot): Live => {
  switch (node.kind) {
    case "tool": {
      const open = snapshot.runs.open
      return { text: Words.counted(open, "open run"), state: "idle" }
    }
    case "loop": {
      const part = snapshot.parts.find(({ name }) => name === node.name)
      const loop = snapshot.loops.find(({ name }) => name === node.name)
      if (part?.state === "failing")
        return { text: `fails since ${part.since.slice(11, 16)}`, state: "failing" }
      if (loop?.ended === true) return { text: "ended", state: "idle" }
      return {
        text: loop === undefined ? node.detail : `ran ${Words.counted(loop.runs, "time")}`,
        state: loop === undefined ? "idle" : "ok"
      }
    }
    case "channel": {
      const channel = snapshot.channels.find(({ name }) => name === node.name)
      if (channel === undefined) return { text: node.detail, state: "idle" }
      const isFull = channel.depth >= channel.capacity
      return {
        text: `${Words.count(channel.depth)} of ${Words.count(channel.capacity)}${isFull ? ", full" : ""}`,
        state: "idle",
        fill: channel.depth / channel.capacity
      }
    }
    case "outbox": {
      const { deadLetters, pending } = snapshot.outbox
      const waiting = `${Words.count(pending)} waiting`
      const both = `${waiting}, ${Words.count(deadLetters)} dead`
      const words = deadLetters === 0 || both.length > LONGEST ? waiting : both
      const failing = snapshot.parts.some(
        ({ name, state }) => state === "failing" && (name === "state store" || name === "delivery")
      )
      return { text: words, state: failing ? "failing" : "ok" }
    }
    case "server":
      return { text: `${Words.count(snapshot.outbox.delivered)} delivered`, state: "idle" }
  }
}

interface Box {
  readonly node: Node
  readonly x: number
  readonly y: number
}

const WIDTH = 144
const HEIGHT = 58
const MARGIN = 2

/** How many characters fit into a node. */
const LONGEST = 22

const picture = (graph: Graph, snapshot: Snapshot, direction: "across" | "down"): Html => {
  const across = direction === "across"
  const ranks = ranked(graph)
  const gap = across ? { along: 40, beside: 18 } : { along: 30, beside: 22 }
  const along = (across ? WIDTH : HEIGHT) + gap.along
  const beside = (across ? HEIGHT : WIDTH) + gap.beside
  const most = Math.max(...ranks.map((rank) => rank.length))
  const boxes = new Map<string, Box>()
  for (const [rank, nodes] of ranks.entries()) {
    for (const [index, node] of nodes.entries()) {
      // Each rank is centred; what stands in the middle of a chain stays on its line.
      const offset = ((most - nodes.length) / 2) * beside
      const a = MARGIN + rank * along
      const b = MARGIN + offset + index * beside
      boxes.set(node.id, { node, x: across ? a : b, y: across ? b : a })
    }
  }
  const length = ranks.length * along - gap.along + 2 * MARGIN
  const breadth = most * beside - gap.beside + 2 * MARGIN
  const [width, height] = across ? [length, breadth] : [breadth, length]
  const marker = `arrow-${direction}`
  const label = `The way of the data: ${graph.nodes
    .map((node) => `${node.name} (${live(node, snapshot).text})`)
    .join(", ")}.`
  return markup`<svg class="graph" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">
<defs><marker id="${marker}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="arrow" d="M0 .8 7 4 0 7.2z"/></marker></defs>
${graph.edges.map((edge) => way(edge, boxes, across, marker))}
${Array.from(boxes.values(), (box) => shape(box, live(box.node, snapshot)))}
</svg>`
}

const way = (edge: Edge, boxes: ReadonlyMap<string, Box>, across: boolean, marker: string): Html => {
  const from = boxes.get(edge.from)
  const to = boxes.get(edge.to)
  if (from === undefined || to === undefined) return markup``
  const [x1, y1] = across ? [from.x + WIDTH, from.y + HEIGHT / 2] : [from.x + WIDTH / 2, from.y + HEIGHT]
  const [x2, y2] = across ? [to.x - 2, to.y + HEIGHT / 2] : [to.x + WIDTH / 2, to.y - 2]
  const middle = across ? (x1 + x2) / 2 : (y1 + y2) / 2
  const curve = across ? `C${middle} ${y1} ${middle} ${y2}` : `C${x1} ${middle} ${x2} ${middle}`
  return markup`<path class="way" d="M${x1} ${y1}${curve} ${x2} ${y2}" marker-end="url(#${marker})"/>`
}

const shape = ({ node, x, y }: Box, { fill, state, text }: Live): Html => {
  const middle = x + WIDTH / 2
  const round = node.kind === "channel" ? HEIGHT / 2 : node.kind === "loop" ? 6 : 12
  return markup`<g class="node ${node.kind} ${state}"><title>${node.name}: ${node.detail}</title>
<rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="${round}"/>
<text class="name" x="${middle}" y="${y + 25}">${state === "failing" && "▲ "}${short(node.name)}</text>
<text class="live" x="${middle}" y="${y + 43}">${text}</text>
${fill !== undefined && bar(x, y, fill)}</g>`
}

/** How full a Channel is, along its lower edge. */
const bar = (x: number, y: number, fill: number): Html => {
  const length = WIDTH - HEIGHT
  const at = markup`x="${x + HEIGHT / 2}" y="${y + HEIGHT - 8}" height="3" rx="1.5"`
  return markup`<rect class="room" ${at} width="${length}"/><rect class="full" ${at} width="${Math.round(length * Math.min(1, fill))}"/>`
}

const short = (name: string): string => (name.length <= 18 ? name : `${name.slice(0, 17).toWellFormed()}…`)

/** The nodes by their distance from where the data comes from; what only feeds the last one stands right before it. */
const ranked = (graph: Graph): ReadonlyArray<ReadonlyArray<Node>> => {
  const rank = new Map(graph.nodes.map(({ id }) => [id, 0]))
  const at = (id: string): number => rank.get(id) ?? 0
  // A graph of so many nodes has no longer way; one that runs in a circle ends here, too.
  for (let round = 0; round < graph.nodes.length; round++) {
    for (const { from, to } of graph.edges) {
      if (at(to) <= at(from) && at(from) < graph.nodes.length) rank.set(to, at(from) + 1)
    }
  }
  for (const { id } of graph.nodes) {
    const out = graph.edges.filter(({ from }) => from === id)
    if (graph.edges.some(({ to }) => to === id) || out.length === 0) continue
    rank.set(id, Math.max(0, Math.min(...out.map(({ to }) => at(to))) - 1))
  }
  const ranks: Array<Array<Node>> = []
  for (const node of graph.nodes) (ranks[at(node.id)] ??= []).push(node)
  return Array.from(ranks, (nodes) => nodes ?? []).filter((nodes) => nodes.length > 0)
}
