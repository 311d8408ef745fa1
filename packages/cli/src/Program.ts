/**
 * The program `observability-agent`, or one of your own with other agents (`NodeProgram`): its commands, their help, and what they print. Results go to the standard
 * output, log lines and problems to the standard error stream. Exit codes: 0 done, 1 not healthy (`health`), 64 wrong
 * usage, 69 a service cannot be reached or not all was done, 70 internal error, 74 the state file cannot be used, 77 not
 * let in, 78 settings.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as BackfillCommand from "./BackfillCommand.ts"
import * as CheckCommand from "./CheckCommand.ts"
import * as ConfigCommand from "./ConfigCommand.ts"
import * as DeadLetters from "./DeadLetters.ts"
import type { Environment } from "./Environment.ts"
import * as Explain from "./Explain.ts"
import * as GraphCommand from "./GraphCommand.ts"
import * as HealthCommand from "./HealthCommand.ts"
import * as InitCommand from "./InitCommand.ts"
import * as OutboxCommand from "./OutboxCommand.ts"
import * as RunCommand from "./RunCommand.ts"
import * as TapCommand from "./TapCommand.ts"
import * as TopCommand from "./TopCommand.ts"

/**
 * Builds the command tree.
 */
export const make = (environment: Environment) =>
  Command.make(environment.name).pipe(
    Command.withDescription(
      "Watches a data tool and delivers run status, logs, metrics and test outcomes to DataOps Observability."
    ),
    Command.withExamples([
      { command: `${environment.name} init`, description: "Write a settings file" },
      { command: `${environment.name} check`, description: "Is all well?" },
      { command: `${environment.name} run --dry-run`, description: "What would be sent; sends nothing" },
      { command: `${environment.name} run`, description: "Run the agent" },
      {
        command: `${environment.name} --completions bash >> ~/.bashrc`,
        description: "Completions for the shell (bash, zsh, fish)"
      }
    ]),
    Command.withSubcommands([
      InitCommand.make(environment),
      CheckCommand.make(environment),
      RunCommand.make(environment),
      ConfigCommand.make(environment),
      GraphCommand.make(environment),
      TopCommand.make(environment),
      TapCommand.make(environment),
      HealthCommand.make(environment),
      Explain.make(environment),
      OutboxCommand.make(environment),
      DeadLetters.make(environment),
      BackfillCommand.make(environment),
      ...(environment.demo === true ? [demo(environment)] : [])
    ])
  )

const demo = (environment: Environment) =>
  Command.make(
    "demo",
    {
      plain: Flag.Boolean("plain").pipe(
        Flag.withDescription("No colours and no progress line, also on a terminal"),
        Flag.withDefault(false)
      ),
      speed: Flag.Int("speed").pipe(
        Flag.withDescription("How many times as fast as real time the half hour passes (10 to 300)"),
        Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 300 }))),
        Flag.withDefault(90)
      )
    },
    ({ plain, speed }) =>
      // Read when it is asked for: it brings a fake workspace and a fake server with it.
      Effect.flatMap(
        Effect.promise(() => import("./Demo.ts")),
        (Demo) => Demo.run({ styled: environment.colours && !plain, speed, version: environment.version })
      )
  ).pipe(
    Command.withDescription(
      "Runs the Databricks agent for half an hour of made-up jobs, at high speed, against a workspace and a server in this process."
    ),
    Command.withShortDescription(
      "Shows the agent at work on half an hour of made-up jobs. Needs no account."
    ),
    Command.withExamples([
      { command: `${environment.name} demo`, description: "On a terminal, in about 20 seconds" },
      { command: `${environment.name} demo --plain --speed 300 > demo.txt`, description: "As plain text" }
    ])
  )
