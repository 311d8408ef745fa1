/**
 * The status page: how the agent stands, as one HTML document that reads well without any script. A script in the browser
 * puts newer parts in the places of older ones (see `StatusScript`); all of them are rendered by `StatusParts` only.
 */
import type { Graph } from "./Graph.ts"
import type { Snapshot } from "./Status.ts"
import { type Html, markup, text } from "./StatusHtml.ts"
import * as StatusParts from "./StatusParts.ts"

/** The whole document, in the state of the snapshot. */
export const document = (snapshot: Snapshot, graph: Graph): string => {
  const place = (part: StatusParts.Name): Html =>
    markup`<div data-part="${part}">${StatusParts.parts[part](snapshot, graph)}</div>`
  const section = (id: string, title: string, content: Html): Html =>
    markup`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${content}</section>`
  // What can be scrolled can be reached by the keyboard, and has a name.
  const scroll = (id: string, part: StatusParts.Name): Html =>
    markup`<div class="scroll" role="region" aria-labelledby="${id}" tabindex="0">${place(part)}</div>`
  const list = (id: StatusParts.Name, title: string): Html => section(id, title, scroll(id, id))

  return text(markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${snapshot.agent.key} – agent status</title>
<link rel="icon" href="/status.svg" type="image/svg+xml">
<link rel="stylesheet" href="/status.css">
<script src="/status.js" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the state of the agent</a>
<header>
${place("head")}
<p class="connection"><span id="connection" role="status">As it was at</span> <time id="updated" datetime="${snapshot.at}">${snapshot.at.slice(11, 19)}</time> UTC</p>
<noscript><p class="connection">Without scripts the page does not change by itself. <a href="/">Load the newest state</a></p></noscript>
<p class="hidden" role="status" data-part="news">${StatusParts.parts.news(snapshot)}</p>
</header>
<main id="main" tabindex="-1">
${place("reasons")}
<section aria-label="In numbers">${place("tiles")}</section>
${section("graph", "The way of the data", scroll("graph", "graph"))}
${section("plots", "The last ten minutes", place("plots"))}
<div class="columns">${list("runs", "Runs being followed")}${list("events", "Newest events")}</div>
<div class="columns">${list("problems", "Errors and warnings")}${list("letters", "Dead letters")}</div>
<div class="columns">${list("parts", "Parts of the agent")}${list("sources", "Sources and Channels")}</div>
</main>
<footer><p>All times are UTC. Other views: <a href="/status.json">JSON</a>, <a href="/metrics">metrics</a>, <a href="/graph">graph</a>, <a href="/health/ready">ready</a>, <a href="/health/live">live</a>.</p></footer>
</body>
</html>
`)
}
