/** `observability-agent graph`: the graph of the agent that the settings describe, for documentation and for Graphviz. */
import * as Graph from "@observability-agents/core/Graph"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { config, type Environment, settled, startup } from "./Environment.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make(
    "graph",
    {
      config,
      format: Flag.Literals("format", ["mermaid", "dot"]).pipe(
        Flag.withDescription("mermaid for Markdown, dot for Graphviz"),
        Flag.withDefault("mermaid" as const)
      )
    },
    ({ config, format }) =>
      Effect.gen(function* () {
        const started = yield* startup(environment, config)
        const graph = yield* Effect.provide(Graph.ofAgent(started.agent), settled(environment, started))
        const text = format === "dot" ? Graph.dot(graph) : Graph.mermaid(graph)
        yield* Console.log(text.replace(/\n$/, ""))
      })
  ).pipe(
    Command.withDescription(
      "Draws what the agent is made of, with these settings: its loops, channels and handles, and the way that data takes through them. Nothing runs, and nobody is asked."
    ),
    Command.withShortDescription("Draws what the agent is made of, as Mermaid or DOT."),
    Command.withExamples([
      { command: `${environment.name} graph`, description: "As Mermaid, which Markdown pages show" },
      {
        command: `${environment.name} graph --format dot | dot -Tsvg > agent.svg`,
        description: "As a picture, by Graphviz"
      }
    ])
  )
