/** The style sheet of the status page, served as a file of its own. Dark and light follow the system. */

/** The style sheet, whole. */
export const css = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f8; --sheet: #ffffff; --line: #dfe3e7; --faint: #eef1f4;
  --ink: #16202a; --soft: #52606d; --accent: #1f5f99; --tint: #dbe8f5;
  --ok: #17683f; --warn: #7d4e00; --bad: #a61b1b; --bad-tint: #fdf0ef; --focus: #0b57d0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1419; --sheet: #161d24; --line: #2a343e; --faint: #1e2730;
    --ink: #e4e9ee; --soft: #9dabb8; --accent: #82b5e8; --tint: #1d3348;
    --ok: #6cc795; --warn: #e2b25c; --bad: #ff9285; --bad-tint: #2c1a1b; --focus: #a8c7fa;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; padding: 0 max(1rem, (100vw - 84rem) / 2) 2rem; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, p, dl, dd, ul, figure { margin: 0; }
h1 { font-size: 1.5rem; font-weight: 650; letter-spacing: -.01em; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: .8125rem; font-weight: 600; color: var(--soft); margin-bottom: .5rem; }
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
main:focus { outline: none; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; background: var(--sheet); padding: .5rem .75rem; z-index: 1; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

header { padding: 1.5rem 0 1rem; }
.head { display: flex; justify-content: space-between; align-items: center; gap: 1rem; flex-wrap: wrap; }
.head p, .connection { color: var(--soft); }
.head .state {
  font-size: 1rem; font-weight: 600; color: var(--ink); background: var(--sheet);
  border: 1px solid var(--line); border-radius: 999px; padding: .3rem .95rem;
}
.head .state span { margin-right: .25rem; }
.state.ok span { color: var(--ok); }
.state.bad { border-color: var(--bad); color: var(--bad); }
.state.new span { color: var(--warn); }
.connection { font-size: .875rem; margin-top: .25rem; }
.gone .connection {
  position: fixed; inset: 0 0 auto; z-index: 1; padding: .6rem 1rem; text-align: center;
  background: var(--bad-tint); color: var(--bad); border-bottom: 1px solid var(--bad); font-weight: 600;
}
body.gone { padding-top: 2.75rem; }
.gone main { opacity: .75; }

main > section, .columns { margin-bottom: 1.5rem; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.5rem; }
@media (min-width: 68rem) { .columns { grid-template-columns: repeat(2, minmax(0, 1fr)); } }

.reasons { background: var(--bad-tint); border-left: 3px solid var(--bad); border-radius: 4px; padding: .75rem 1rem; }
.reasons h2 { color: var(--bad); margin-bottom: .25rem; }
.reasons.new { background: var(--sheet); border-color: var(--warn); }
.reasons.new h2 { color: var(--warn); }
.reasons ul { padding-left: 1.1rem; overflow-wrap: anywhere; }
.reasons .since { color: var(--soft); white-space: nowrap; }
[data-part="reasons"]:not(:empty) { margin-bottom: 1.5rem; }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(11.5rem, 42vw), 1fr)); gap: 1px; background: var(--line); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.tile { background: var(--sheet); padding: .7rem 1rem .8rem; }
.tile dt { color: var(--soft); font-size: .8125rem; font-weight: 600; }
.tile .value { display: block; font-size: 1.5rem; font-weight: 600; letter-spacing: -.01em; line-height: 1.3; }
.tile .note { display: block; color: var(--soft); font-size: .8125rem; line-height: 1.35; }
.tile.bad .value, .tile.bad .note { color: var(--bad); }

.scroll { overflow: auto; background: var(--sheet); border: 1px solid var(--line); border-radius: 8px; max-height: 26rem; }
.scroll:has(.graph) { max-height: none; padding: 1.25rem 1rem; }

.graph { display: block; max-width: 100%; height: auto; margin: 0 auto; font-size: 13px; }
.graph rect { fill: var(--sheet); stroke: var(--line); stroke-width: 1.25; }
.graph .loop rect, .graph .channel rect { fill: var(--faint); }
.graph .tool rect, .graph .outbox rect, .graph .server rect { stroke: var(--soft); }
.graph .failing > rect:first-of-type { stroke: var(--bad); stroke-width: 2; fill: var(--bad-tint); }
.graph text { text-anchor: middle; fill: var(--ink); }
.graph .name { font-weight: 600; }
.graph .live { fill: var(--soft); font-size: 12px; }
.graph .failing .live { fill: var(--bad); }
.graph .room { fill: var(--line); stroke: none; }
.graph .full { fill: var(--accent); stroke: none; }
.graph .way { fill: none; stroke: var(--soft); stroke-width: 1.25; }
.graph .arrow { fill: var(--soft); }
.narrow-only { display: none; }
@media (max-width: 56rem) { .wide-only { display: none; } .narrow-only { display: block; } }

.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1.5rem; }
.plot { background: var(--sheet); border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem .6rem; }
.plot figcaption { display: flex; justify-content: space-between; align-items: baseline; margin-bottom: .35rem; }
.plot .what { color: var(--soft); font-size: .8125rem; font-weight: 600; }
.plot .now { font-weight: 600; }
.plot svg { display: block; width: 100%; height: 3.5rem; overflow: visible; }
.plot .line { fill: none; stroke: var(--accent); stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.plot .area { fill: var(--tint); }
.plot .base { fill: none; stroke: var(--line); vector-effect: non-scaling-stroke; }
.plot .scale { display: flex; justify-content: space-between; color: var(--soft); font-size: .75rem; margin-top: .25rem; }

table { border-collapse: collapse; width: 100%; font-size: .875rem; }
table + table { margin-top: .75rem; border-top: 1px solid var(--line); }
caption { text-align: left; color: var(--soft); font-size: .8125rem; padding: .6rem 1rem .35rem; }
th, td { text-align: left; padding: .32rem .5rem; border-top: 1px solid var(--faint); vertical-align: top; font-weight: 400; }
th:first-child, td:first-child { padding-left: 1rem; }
th:last-child, td:last-child { padding-right: 1rem; }
thead th { color: var(--soft); font-weight: 600; font-size: .8125rem; border-top: 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tbody th { overflow-wrap: break-word; min-width: 8rem; max-width: 24rem; }
td { overflow-wrap: break-word; }
.number { text-align: right; white-space: nowrap; }
time { white-space: nowrap; }
.id { color: var(--soft); font-size: .8125rem; overflow-wrap: anywhere; }
.ok { color: var(--ok); } .warn { color: var(--warn); } .failing { color: var(--bad); }
td > .ok, td > .warn { white-space: nowrap; }
td > .failing { display: inline-block; min-width: 7rem; overflow-wrap: anywhere; }
.none { color: var(--soft); }
.empty { color: var(--soft); padding: .9rem 1rem; }
footer { color: var(--soft); font-size: .875rem; border-top: 1px solid var(--line); padding-top: 1rem; }

@media (max-width: 30rem) {
  th, td { padding-inline: .35rem; }
  tbody th { min-width: 6rem; }
}
@media (prefers-reduced-motion: no-preference) { main { transition: opacity .4s; } }
@media (prefers-contrast: more) { :root { --soft: var(--ink); --line: var(--ink); } }
@media (forced-colors: active) { .tile, .plot, .scroll { border: 1px solid; } }
@media print { .scroll { max-height: none; overflow: visible; } .skip { display: none; } }
`

/** The icon of the page. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1f5f99"/><path d="M2.5 9h2.6l1.6-4.5 2.6 7.5 1.7-5 .8 2h1.7" fill="none" stroke="#fff" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round"/></svg>`
