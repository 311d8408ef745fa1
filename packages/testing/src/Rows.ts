/**
 * Where the rows of a list stand in an answer of JSON, so that faults of lists work with any tool's API.
 */
import * as Predicate from "effect/Predicate"

/**
 * Where the rows are: the name of the list (`"runs"`, or `"data.items"` for one inside; `""` where the answer is the list
 * itself), or how they are read and put back. A body in which there is no such list is left as it is, because many APIs leave
 * an empty list out.
 */
export type Rows =
  | string
  | {
      /** The rows of a body, undefined where there are none. */
      readonly get: (body: unknown) => ReadonlyArray<unknown> | undefined
      /** The body with these rows instead. */
      readonly set: (body: unknown, rows: ReadonlyArray<unknown>) => unknown
    }

/** The rows of a body; none where there is no list. */
export const of = (rows: Rows, body: unknown): ReadonlyArray<unknown> => found(rows, body) ?? []

/** The body with its rows changed. */
export const change = (
  rows: Rows,
  body: unknown,
  f: (rows: ReadonlyArray<unknown>) => ReadonlyArray<unknown>
): unknown => {
  const there = found(rows, body)
  if (there === undefined) return body
  return typeof rows === "string" ? put(pathOf(rows), body, f(there)) : rows.set(body, f(there))
}

// ---- private

const found = (rows: Rows, body: unknown): ReadonlyArray<unknown> | undefined => {
  if (typeof rows !== "string") return rows.get(body)
  let inner = body
  for (const name of pathOf(rows)) inner = Predicate.hasProperty(inner, name) ? inner[name] : undefined
  return Array.isArray(inner) ? inner : undefined
}

const pathOf = (name: string): ReadonlyArray<string> => (name === "" ? [] : name.split("."))

const put = ([name, ...path]: ReadonlyArray<string>, body: unknown, rows: ReadonlyArray<unknown>): unknown =>
  name === undefined
    ? rows
    : Predicate.isObject(body)
      ? { ...body, [name]: put(path, Predicate.hasProperty(body, name) ? body[name] : undefined, rows) }
      : body
