/**
 * Ids of 64 bits in JSON: the service writes them as bare numbers, also beyond what a number of this language can hold.
 */

/** Marks digits that {@link stringify} writes as a bare number, however many they are. */
export const id = (digits: string): string => `\u0000${digits}\u0000`

/** JSON text, with the ids as bare numbers. */
export const stringify = (body: unknown): string =>
  // JSON writes the mark as an escape; what stands between two of them is a bare number.
  JSON.stringify(body).replaceAll(/"\\u0000(-?\d+)\\u0000"/g, "$1")
