/**
 * The versions that a new agent depends on: exactly those that this version of the generator was tested with. Its own
 * packages have the generator's version.
 */

/** Packages that are not ours, by name. */
export const versions = {
  "@effect/platform-node": "4.1.0",
  "@effect/vitest": "4.0.5",
  "@types/node": "24.19.2",
  effect: "4.1.0",
  node: "24.21.0",
  typescript: "7.0.2",
  vitest: "5.1.1"
} as const
