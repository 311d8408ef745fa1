import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import * as OutboxSuite from "@observability-agents/testing/OutboxSuite"
import { afterAll } from "@effect/vitest"

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "outbox-sqlite-"))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

OutboxSuite.suite(
  "OutboxSqlite in a file",
  ({ name, ...bounds }) => OutboxSqlite.layer({ path: Path.join(directory, name), ...bounds }),
  { durable: true }
)

OutboxSuite.suite("OutboxSqlite in memory", (bounds) => OutboxSqlite.layer({ path: ":memory:", ...bounds }))
