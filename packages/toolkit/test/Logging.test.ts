import * as Logging from "@observability-agents/toolkit/Logging"
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import { assert, describe, it } from "@effect/vitest"
import { Console, DateTime, Effect, Layer, Tracer } from "effect"
import { TestClock } from "effect/testing"

const SECRET = "dapi0123456789"

/** What the program writes to the standard error stream, line by line, at noon. */
const lines = Effect.fnUntraced(function* (options: Logging.Options, program: Effect.Effect<void>) {
  const written: Array<string> = []
  const keep = (...parts: ReadonlyArray<unknown>) => {
    written.push(parts.map(String).join(" "))
  }
  const console = {
    ...(yield* Console.Console),
    error: keep,
    log: () => assert.fail("not on standard output")
  }
  yield* TestClock.setTime(DateTime.makeUnsafe("2026-01-31T12:00:00Z").epochMilliseconds)
  yield* program.pipe(Effect.provide(Logging.layer(options)), Effect.provideService(Console.Console, console))
  return written
})

const parse = (line: string | undefined): Record<string, unknown> => JSON.parse(line ?? "{}")

const traced = (work: Effect.Effect<void>) =>
  Effect.provideService(
    Effect.withSpan(work, "work"),
    Tracer.Tracer,
    Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
  )

class Refused extends Error {
  override readonly name = "Refused"
}

const sample = Effect.annotateLogs(Effect.logWarning("Answer refused", { status: 403 }), { source: "a b" })

describe("log lines", () => {
  it.effect("are one JSON object each, with the agent's key and the time in UTC", () =>
    Effect.gen(function* () {
      const [line] = yield* lines({ level: "info", format: "json", annotations: { agent: "prod" } }, sample)
      const { annotations, fiberId: _, ...rest } = parse(line)
      assert.deepStrictEqual(annotations, { agent: "prod", source: "a b" })
      assert.deepStrictEqual(rest, {
        level: "WARN",
        message: ["Answer refused", { status: 403 }],
        spans: {},
        timestamp: "2026-01-31T12:00:00.000Z"
      })
    })
  )

  it.effect("are logfmt", () =>
    Effect.gen(function* () {
      const [line = ""] = yield* lines(
        { level: "info", format: "logfmt", annotations: { agent: "prod" } },
        sample
      )
      assert.match(
        line,
        /^timestamp=2026-01-31T12:00:00.000Z level=WARN fiber=#\d+ message="Answer refused" .* agent=prod source="a b"$/
      )
    })
  )

  it.effect("are one line with all that belongs to it on a terminal, the cause below it", () =>
    Effect.gen(function* () {
      const program = Effect.andThen(
        sample,
        Effect.catchCause(Effect.fail(new Refused("no")), (cause) => Effect.logError("Sweep failed", cause))
      )
      const [first, second = ""] = yield* lines({ level: "info", format: "pretty" }, program)
      assert.match(first ?? "", /^2026-01-31T12:00:00.000Z WARN {2}Answer refused .*403.* source="a b"$/)
      assert.match(second, /ERROR Sweep failed\n {4}Refused: no$|ERROR Sweep failed\n {4}no$/)
      const [coloured = ""] = yield* lines({ level: "info", format: "pretty", colours: true }, sample)
      assert.include(coloured, "\u001b[33mWARN \u001b[0m")
    })
  )

  it.effect("name the span that they are written in, where somebody traces", () =>
    Effect.gen(function* () {
      for (const format of ["json", "logfmt"] as const) {
        const [off = ""] = yield* lines({ level: "info", format }, Effect.withSpan(sample, "work"))
        assert.notInclude(off, "trace_id")
        const [on = ""] = yield* lines({ level: "info", format }, traced(sample))
        assert.match(on, /trace_id("|=)(:")?[0-9a-f]{32}.*span_id("|=)(:")?[0-9a-f]{16}/)
      }
    })
  )

  it.effect("are chosen by the level of their Loop, then of their module, then of all", () =>
    Effect.gen(function* () {
      const options: Logging.Options = {
        level: "warning",
        format: "json",
        levels: { core: "info", "send events": "debug", "agent-test": "error" }
      }
      const talk = (name: string) =>
        Effect.andThen(
          Effect.logDebug(`${name} debug`),
          Effect.andThen(Effect.logInfo(`${name} info`), Effect.logWarning(`${name} warning`))
        )
      const within = (module: string) => (effect: Effect.Effect<void>) =>
        Effect.provide(effect, Logging.layerModule(module))
      const written = yield* lines(
        options,
        Effect.all(
          [
            talk("other"),
            talk("core").pipe(within("core")),
            talk("sender").pipe(Effect.annotateLogs({ loop: "send events" }), within("core")),
            talk("agent").pipe(within("agent-test"))
          ],
          { discard: true }
        )
      )
      assert.deepStrictEqual(
        written.map((line) => parse(line)["message"]),
        ["other warning", "core info", "core warning", "sender debug", "sender info", "sender warning"]
      )
    })
  )

  it.effect("have no secret of the settings, however it got in", () =>
    Effect.gen(function* () {
      const careless = Effect.andThen(
        Effect.annotateLogs(Effect.logInfo(`asked with ${SECRET}`), { url: `https://x/?t=${SECRET}&u=1` }),
        Effect.catchCause(Effect.die(new Error(`broke on {"token":"${SECRET}"}`)), (cause) =>
          Effect.logError("broke", cause)
        )
      )
      for (const format of ["json", "logfmt", "pretty"] as const) {
        const written = yield* lines(
          { level: "debug", format, mask: Secrecy.masker([SECRET, "pi"], 6) },
          careless
        )
        assert.strictEqual(written.length, 2)
        assert.notInclude(written.join(), SECRET)
        assert.include(written.join(), `asked with ${Secrecy.MASK}`)
      }
    })
  )

  it.effect("tell a foreseen failure in words, with its trace only at the level debug", () =>
    Effect.gen(function* () {
      const fails = Effect.catchCause(Effect.fail(new Refused("no")), (cause) =>
        Effect.logError("failed", cause)
      )
      const causeAt = (options: Pick<Logging.Options, "level" | "levels">) =>
        Effect.map(
          lines({ ...options, format: "json" }, Effect.provide(fails, Logging.layerModule("core"))),
          ([line]) => String(parse(line)["cause"])
        )
      assert.notInclude(yield* causeAt({ level: "info" }), "Logging.test.ts")
      assert.include(yield* causeAt({ level: "debug" }), "Logging.test.ts")
      assert.include(yield* causeAt({ level: "info", levels: { core: "debug" } }), "Logging.test.ts")
    })
  )
})

describe("Logging.layerModule", () => {
  it.effect("keeps the annotations that are there", () =>
    Effect.gen(function* () {
      const written = yield* lines(
        { level: "info", format: "json", annotations: { agent: "prod" } },
        Effect.provide(Effect.logInfo("here"), Layer.provideMerge(Logging.layerModule("core"), Layer.empty))
      )
      assert.deepStrictEqual(parse(written[0])["annotations"], { agent: "prod", module: "core" })
    })
  )
})
