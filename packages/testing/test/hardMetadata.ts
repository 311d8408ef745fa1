import type { Schema } from "effect"

/** What looks like something else on the way between threads. */
export const hardMetadata: { readonly [key: string]: Schema.Json } = {
  time: { "~time": 5 },
  "~time": 1e300,
  tag: { _tag: "DateTime", epochMillis: 0 },
  "": [null, true, { a: [] }],
  text: "grüß\u2028😀"
}
