/**
 * The status page in a real browser. Needs Chromium (Debian: `apt-get install chromium`; another place in the variable
 * CHROMIUM) and the package playwright-core; without them it is skipped, and says so.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import * as StatusProcess from "../StatusProcess.ts"

/** What of the package is used here: it may be missing, so its types are not relied upon. */
interface Page {
  readonly goto: (url: string) => Promise<unknown>
  readonly on: (event: "request", listener: (request: { readonly url: () => string }) => void) => void
  readonly evaluate: (expression: string) => Promise<unknown>
}

interface Browser {
  readonly newPage: (options?: object) => Promise<Page>
  readonly close: () => Promise<void>
}

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

// By a variable: the package is not there for every reader of the types.
const PACKAGE: string = "playwright-core"
const playwright:
  | { readonly chromium: { readonly launch: (options: object) => Promise<Browser> } }
  | undefined = await import(PACKAGE).catch(() => undefined)

const missing =
  playwright === undefined
    ? "the package playwright-core is not installed"
    : existsSync(executablePath)
      ? undefined
      : `there is no Chromium at ${executablePath}`

const launch = Effect.acquireRelease(
  Effect.promise(() => {
    if (playwright === undefined) throw new Error(missing)
    return playwright.chromium.launch({
      executablePath,
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync"
      ]
    })
  }),
  (browser) => Effect.promise(() => browser.close())
)

const JOB = `<script>document.title = "taken over"</script>`

describe("the status page in a browser", () => {
  it.live(
    "lives, asks nobody else, shows what the server refused, and says when the agent is gone",
    (context) =>
      Effect.gen(function* () {
        if (missing !== undefined) return context.skip(missing)
        const program = yield* StatusProcess.start(
          { DK_START_FROM: "1 hour" },
          {
            fault: [
              ServerFault.answer(400, JSON.stringify({ error: { status: ["Not a status."] } })),
              { times: 1, where: ({ path }) => path.includes("run-status") }
            ],
            jobs: [
              {
                id: "1",
                name: JOB,
                runs: [{ id: "11", ago: "1 minute", tasks: [{ key: "load", takes: "1 hour" }] }]
              }
            ]
          }
        )
        const url = yield* program.url
        const browser = yield* launch
        const page = yield* Effect.promise(() => browser.newPage())
        const asked: Array<string> = []
        page.on("request", (request) => asked.push(request.url()))
        // Asked from outside: the page's own policy forbids it to evaluate text.
        const holds = (expression: string): Effect.Effect<void> =>
          Effect.timeoutOrElse(becomes(expression), {
            duration: "30 seconds",
            orElse: () => Effect.die(new Error(`Not so within half a minute: ${expression}`))
          })
        const becomes = (expression: string): Effect.Effect<void> =>
          Effect.flatMap(
            Effect.promise(() => page.evaluate(expression)),
            (is) =>
              is === true ? Effect.void : Effect.andThen(Effect.sleep("100 millis"), becomes(expression))
          )
        const text = (selector: string) =>
          Effect.map(
            Effect.promise(() =>
              page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`)
            ),
            String
          )

        yield* Effect.promise(() => page.goto(url))
        yield* holds(`document.querySelector(".state").textContent.includes("Ready")`)
        yield* holds(`document.querySelector("#connection").textContent === "Live, as of"`)

        // The graph is there, with the Loops by their names.
        for (const name of ["list runs", "track runs", "Outbox", "send events", "Observability"]) {
          assert.include(yield* text(".wide-only svg.graph"), name)
        }

        // Numbers change by themselves.
        const runs = `document.querySelector('[data-part="parts"]').textContent`
        const before = String(yield* Effect.promise(() => page.evaluate(runs)))
        yield* holds(`${runs} !== ${JSON.stringify(before)}`)

        // A dead letter shows up, with what the server said.
        yield* holds(`document.querySelector('[data-part="letters"]').textContent.includes("Not a status")`)
        yield* holds(`document.querySelector('[data-part="news"]').textContent.includes("1 dead letter")`)

        // A job's name is text, also where a script put it in later.
        yield* holds(`document.querySelector('[data-part="runs"]').textContent.includes("<script>")`)
        assert.strictEqual(yield* text("title"), "status-test – agent status")
        assert.strictEqual(yield* Effect.promise(() => page.evaluate(`document.scripts.length`)), 1)

        yield* program.kill("SIGKILL")
        yield* holds(`document.querySelector("#connection").textContent.includes("does not answer any more")`)

        assert.isAbove(asked.length, 3)
        assert.deepStrictEqual(
          asked.filter((address) => !address.startsWith(url)),
          []
        )
      }).pipe(Effect.scoped),
    90_000
  )
})
