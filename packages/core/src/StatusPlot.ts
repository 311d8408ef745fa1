/** Small plots of some minutes, as inline SVG with their scale in words. */
import { type Html, markup } from "./StatusHtml.ts"

/** What is plotted. */
export interface Options {
  readonly title: string
  /** The oldest first; gaps where there is no number. */
  readonly values: ReadonlyArray<number | undefined>
  /** How many values fill the plot: fewer stand at its right end. */
  readonly slots: number
  /** A number in words. */
  readonly say: (value: number) => string
  /** In words, over what time. */
  readonly over: string
}

const WIDTH = 300
const HEIGHT = 56
const TOP = 4

/** Draws a plot, with its newest number and its highest one. Points that stand further apart are joined all the same. */
export const draw = ({ over, say, slots, title, values }: Options): Html => {
  const known = Array.from(values.entries()).filter(
    (entry): entry is [number, number] => entry[1] !== undefined
  )
  const first = known[0]
  const last = known.at(-1)
  const most = Math.max(0, ...known.map(([, value]) => value))
  const now = last === undefined ? "–" : say(last[1])
  const x = (index: number) => round(((index + slots - values.length) / (slots - 1)) * WIDTH)
  const y = (value: number) => round(HEIGHT - (most === 0 ? 0 : value / most) * (HEIGHT - TOP))
  const points = known.map(([index, value]) => `${x(index)} ${y(value)}`).join("L")
  const highest = last === undefined ? "none" : `at most ${say(most)}`
  const path =
    first !== undefined &&
    last !== undefined &&
    markup`<path class="area" d="M${x(first[0])} ${HEIGHT}L${points}L${x(last[0])} ${HEIGHT}z"/><path class="line" d="M${points}h0"/>`
  return markup`<figure class="plot">
<figcaption><span class="what">${title}</span><span class="now">${now}</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT + 1}" preserveAspectRatio="none" role="img" aria-label="${title}, ${over}: now ${now}, ${highest}">
<path class="base" d="M0 ${HEIGHT}.5H${WIDTH}"/>${path}
</svg>
<p class="scale"><span>${over}</span><span>${highest}</span></p>
</figure>`
}

const round = (value: number): number => Math.round(value * 10) / 10
