/**
 * HTML in which no text can become markup: every value that is put into a {@link markup} template is escaped, unless it is
 * HTML that was made by such a template itself.
 */

/** A piece of HTML. */
export interface Html {
  readonly [HtmlTypeId]: string
}

const HtmlTypeId: unique symbol = Symbol.for("@observability-agents/core/StatusHtml")

/** What can be put into a template. `null`, `undefined` and `false` are left out. */
export type Value = Html | string | number | null | undefined | false | ReadonlyArray<Value>

/** A template: `` markup`<td>${name}</td>` ``. Attributes have to stand in double quotes. */
export const markup = (strings: TemplateStringsArray, ...values: ReadonlyArray<Value>): Html => ({
  [HtmlTypeId]: strings.reduce((text, part, index) => text + part + render(values[index]), "")
})

/** HTML as text. */
export const text = (value: Html): string => value[HtmlTypeId]

/** Text that stands for itself in HTML, also inside of an attribute in quotes. */
export const escape = (text: string): string =>
  text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)

const render = (value: Value): string => {
  if (value === null || value === undefined || value === false) return ""
  if (typeof value === "string") return escape(value)
  if (typeof value === "number") return String(value)
  if (isHtml(value)) return value[HtmlTypeId]
  return value.map(render).join("")
}

const isHtml = (value: Html | ReadonlyArray<Value>): value is Html => HtmlTypeId in value
