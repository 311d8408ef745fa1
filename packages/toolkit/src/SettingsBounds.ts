/** The bounds of a number among the settings: as a rule, in words, and for JSON Schema. */

/** Bounds of a number; `min` and `max` are included. */
export interface Bounds {
  readonly min?: number
  readonly max?: number
  /** The value must be greater than this. */
  readonly exclusiveMinimum?: number
}

/** Whether a number is within its bounds. */
export const within = (bounds: Bounds, value: number): boolean =>
  (bounds.min === undefined || value >= bounds.min) &&
  (bounds.max === undefined || value <= bounds.max) &&
  (bounds.exclusiveMinimum === undefined || value > bounds.exclusiveMinimum)

/** The bounds as keywords of JSON Schema. */
export const boundsSchema = ({ exclusiveMinimum, max, min }: Bounds): Readonly<Record<string, number>> => ({
  ...(min === undefined ? {} : { minimum: min }),
  ...(exclusiveMinimum === undefined ? {} : { exclusiveMinimum }),
  ...(max === undefined ? {} : { maximum: max })
})

/** The bounds in words, with a space before them. */
export const boundsText = (bounds: Bounds): string => {
  const lower =
    bounds.exclusiveMinimum !== undefined
      ? ` above ${bounds.exclusiveMinimum}`
      : bounds.min !== undefined
        ? ` of ${bounds.min} or more`
        : ""
  if (bounds.max === undefined) return lower
  if (bounds.min !== undefined && bounds.exclusiveMinimum === undefined) {
    return ` from ${bounds.min} to ${bounds.max}`
  }
  return lower === "" ? ` of ${bounds.max} or less` : `${lower}, up to ${bounds.max}`
}
