/** The cells of a row that SQLite gave, as what they have to be. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite"

/** A row. */
export type Cells = Readonly<Record<string, SQLOutputValue>>

/** Text; throws for anything else. */
export const text = (row: Cells, column: string): string => {
  const value = row[column]
  if (typeof value === "string") return value
  throw new TypeError(`column ${column} holds no text`)
}

/** Text, or undefined for NULL. */
export const optionalText = (row: Cells, column: string): string | undefined =>
  row[column] === null ? undefined : text(row, column)

/** A number; throws for anything else. */
export const number = (row: Cells, column: string): number => {
  const value = row[column]
  if (typeof value === "number") return value
  throw new TypeError(`column ${column} holds no number`)
}

/** A number, or undefined for NULL. */
export const optionalNumber = (row: Cells, column: string): number | undefined =>
  row[column] === null ? undefined : number(row, column)

/** The one row that a query gives; an empty one for none. */
export const only = (database: DatabaseSync, sql: string, ...values: ReadonlyArray<SQLInputValue>): Cells =>
  database.prepare(sql).get(...values) ?? {}
