/**
 * Reads values that Python printed as text, such as `{'status': ['Must be one of: RUNNING.'], 'test_outcomes': {3: {}}}`:
 * the server answers with such texts where it says which fields are wrong, and they are not JSON.
 */

/** A value as Python prints it. Numbers and names (`None`, `True`) stay text; keys of dictionaries become text. */
export type Value =
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "List"; readonly items: ReadonlyArray<Value> }
  | { readonly _tag: "Dictionary"; readonly entries: ReadonlyArray<readonly [key: string, value: Value]> }

/** Reads one value that fills the whole text; `undefined` when the text is anything else. */
export const parse = (text: string): Value | undefined => {
  const reader = { text, at: 0 }
  const value = read(reader, 0)
  skip(reader)
  return reader.at === text.length ? value : undefined
}

/**
 * All texts in a value, each after the path of its field: `test_outcomes[3].name: Field may not be null.` Messages that
 * belong to no single field (`_schema`) stand alone.
 */
export const flatten = (value: Value, path = ""): ReadonlyArray<string> => {
  switch (value._tag) {
    case "Text":
      return [path === "" ? value.text : `${path}: ${value.text}`]
    case "List":
      return value.items.flatMap((item) => flatten(item, path))
    case "Dictionary":
      return value.entries.flatMap(([key, inner]) => flatten(inner, join(path, key)))
  }
}

interface Reader {
  readonly text: string
  at: number
}

// Deeper nesting than any schema of the server has; keeps a hostile answer from overflowing the stack.
const maxDepth = 50

const join = (path: string, key: string): string => {
  if (key === "_schema") return path
  if (/^\d+$/.test(key)) return `${path}[${key}]`
  return path === "" ? key : `${path}.${key}`
}

const skip = (reader: Reader): void => {
  while (/\s/.test(reader.text.charAt(reader.at))) reader.at += 1
}

const take = (reader: Reader, token: string): boolean => {
  skip(reader)
  if (!reader.text.startsWith(token, reader.at)) return false
  reader.at += token.length
  return true
}

const read = (reader: Reader, depth: number): Value | undefined => {
  if (depth > maxDepth) return undefined
  if (take(reader, "{")) return readDictionary(reader, depth)
  if (take(reader, "[")) return readList(reader, depth, "]")
  if (take(reader, "(")) return readList(reader, depth, ")")
  const text = readString(reader) ?? readName(reader)
  return text === undefined ? undefined : { _tag: "Text", text }
}

const readList = (reader: Reader, depth: number, end: string): Value | undefined => {
  const items: Array<Value> = []
  while (!take(reader, end)) {
    const item = read(reader, depth + 1)
    if (item === undefined) return undefined
    items.push(item)
    if (!take(reader, ",")) return take(reader, end) ? { _tag: "List", items } : undefined
  }
  return { _tag: "List", items }
}

const readDictionary = (reader: Reader, depth: number): Value | undefined => {
  const entries: Array<readonly [string, Value]> = []
  while (!take(reader, "}")) {
    const key = readString(reader) ?? readName(reader)
    if (key === undefined || !take(reader, ":")) return undefined
    const value = read(reader, depth + 1)
    if (value === undefined) return undefined
    entries.push([key, value])
    if (!take(reader, ",")) return take(reader, "}") ? { _tag: "Dictionary", entries } : undefined
  }
  return { _tag: "Dictionary", entries }
}

const readName = (reader: Reader): string | undefined => {
  skip(reader)
  const name = /^[\w.+-]+/.exec(reader.text.slice(reader.at, reader.at + 100))?.[0]
  if (name === undefined) return undefined
  reader.at += name.length
  return name
}

const readString = (reader: Reader): string | undefined => {
  skip(reader)
  const quote = reader.text.charAt(reader.at)
  if (quote !== "'" && quote !== '"') return undefined
  let text = ""
  for (let at = reader.at + 1; at < reader.text.length;) {
    const character = reader.text.charAt(at)
    if (character === quote) {
      reader.at = at + 1
      return text
    }
    if (character === "\\") {
      const [meaning, length] = escaped(reader.text.slice(at, at + 10))
      text += meaning
      at += length
    } else {
      text += character
      at += 1
    }
  }
  return undefined
}

const short: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" }

const escaped = (text: string): readonly [meaning: string, length: number] => {
  const code = /^\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))/.exec(text)
  const digits = code?.[1] ?? code?.[2] ?? code?.[3]
  if (code !== null && digits !== undefined) {
    const point = Number.parseInt(digits, 16)
    return [point <= 0x10_ff_ff ? String.fromCodePoint(point) : "\uFFFD", code[0].length]
  }
  const next = text.charAt(1)
  return [short[next] ?? next, 2]
}
