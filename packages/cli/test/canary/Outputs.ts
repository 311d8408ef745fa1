/** What the programs of the canary test put out, and the judgement of it. */
import { assert } from "@effect/vitest"
import type { Canaries, Leak } from "./Canary.ts"
import * as Program from "./Program.ts"

/** Everything that was put out, and where. */
export type Outputs = Array<readonly [where: string, output: string | Buffer]>

/** Adds both outputs of a program. */
export const add = (outputs: Outputs, where: string, { stderr, stdout }: Program.Ended): void => {
  outputs.push([`standard output of ${where}`, stdout], [`standard error of ${where}`, stderr])
}

/** Adds what a program wrote beside what was given to it. */
export const files = (outputs: Outputs, where: string, cwd: string, given: ReadonlyArray<string>): void => {
  for (const [path, content] of Program.files(cwd)) {
    if (!given.includes(path)) outputs.push([`file ${path} of ${where}`, content])
  }
}

/** Fails with each place and secret where there is one. */
export const judge = (canaries: Canaries, outputs: Outputs, more: ReadonlyArray<Leak> = []): void => {
  const leaks = [...outputs.flatMap(([where, output]) => canaries.find(where, output)), ...more]
  const seen = new Map(leaks.map(({ excerpt, id, where }) => [`${where}: ${id}`, excerpt]))
  assert.deepStrictEqual([...seen], [], `${leaks.length} leaks`)
}

/** All that was put out in the places of these names. */
export const text = (outputs: Outputs, where: RegExp): string =>
  outputs
    .filter(([name]) => where.test(name))
    .map(([, output]) => output.toString("latin1"))
    .join("\n")
