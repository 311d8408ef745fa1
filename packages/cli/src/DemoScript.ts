/**
 * The story of the demo: half an hour in a made-up workspace, and the server's outage in the middle of it.
 */
import type { NamedJob } from "@observability-agents/agent-databricks/testing/Expected"
import * as Duration from "effect/Duration"

/** How long the story takes. */
export const LENGTH = Duration.minutes(30)

/** When the server is down. */
export const OUTAGE = { after: Duration.minutes(12), during: Duration.minutes(4) }

/**
 * The jobs of the workspace: short and long ones, parallel tasks, failures with their error texts, a cancelled and a
 * skipped run, and runs that are under way when the agent starts.
 */
export const jobs: ReadonlyArray<NamedJob> = [
  {
    name: "nightly-load",
    id: "1001",
    runs: [
      {
        id: "7001",
        ago: "2 minutes",
        tasks: [
          { key: "extract", takes: "4 minutes" },
          { key: "transform", takes: "5 minutes", after: ["extract"] },
          { key: "load", takes: "90 seconds", after: ["transform"] }
        ]
      }
    ]
  },
  {
    name: "orders-ingest",
    id: "1002",
    runs: Array.from({ length: 10 }, (_, index) => ({
      id: String(7100 + index),
      at: Duration.minutes(index * 3),
      tasks: [{ key: "ingest", takes: Duration.seconds(35 + index * 4) }]
    }))
  },
  {
    name: "customer-360",
    id: "1003",
    runs: [
      {
        id: "7201",
        at: "2 minutes",
        queued: "20 seconds",
        tasks: [
          { key: "crm", takes: "2 minutes" },
          { key: "billing", takes: "3 minutes" },
          { key: "web", takes: "80 seconds" },
          { key: "merge", takes: "2 minutes", after: ["crm", "billing", "web"] }
        ]
      }
    ]
  },
  {
    name: "ml-features",
    id: "1004",
    runs: [
      {
        id: "7301",
        at: "6 minutes",
        tasks: [
          { key: "prepare", takes: "1 minute" },
          {
            key: "train",
            takes: "2 minutes",
            after: ["prepare"],
            fails: "ValueError: Input contains NaN in column 'amount'",
            trace:
              "Traceback (most recent call last):\n  File \"train.py\", line 42, in <module>\n    model.fit(x, y)\nValueError: Input contains NaN in column 'amount'"
          },
          { key: "publish", takes: "1 minute", after: ["train"] }
        ]
      },
      {
        id: "7302",
        at: "21 minutes",
        tasks: [
          { key: "prepare", takes: "1 minute" },
          { key: "train", takes: "3 minutes", after: ["prepare"] },
          { key: "publish", takes: "30 seconds", after: ["train"] }
        ]
      }
    ]
  },
  {
    name: "hourly-report",
    id: "1005",
    runs: [5, 15, 25].map((minute) => ({
      id: String(7400 + minute),
      at: Duration.minutes(minute),
      tasks: [
        { key: "query", takes: "50 seconds" },
        { key: "mail", takes: "3 seconds", after: ["query"] }
      ]
    }))
  },
  {
    name: "dbt-models",
    id: "1006",
    runs: [
      {
        id: "7501",
        at: "11 minutes",
        tasks: [
          ...["orders", "customers", "products", "payments"].map((model) => ({
            key: `stg_${model}`,
            takes: "70 seconds" as const
          })),
          { key: "mart_sales", takes: "2 minutes", after: ["stg_orders", "stg_products", "stg_payments"] },
          { key: "mart_customers", takes: "90 seconds", after: ["stg_customers", "stg_orders"] },
          { key: "tests", takes: "45 seconds", after: ["mart_sales", "mart_customers"] }
        ]
      }
    ]
  },
  {
    name: "data-quality",
    id: "1007",
    runs: [
      {
        id: "7601",
        at: "14 minutes",
        tasks: [
          {
            key: "expectations",
            takes: "40 seconds",
            fails: "AssertionError: 312 of 90 411 rows have no customer"
          }
        ]
      }
    ]
  },
  {
    name: "backfill-2019",
    id: "1008",
    runs: [
      {
        id: "7701",
        at: "8 minutes",
        cancelledAfter: "11 minutes",
        tasks: [{ key: "backfill", takes: "3 hours" }]
      }
    ]
  },
  {
    name: "compaction",
    id: "1009",
    runs: [{ id: "7801", at: "3 minutes", tasks: [{ key: "compact", takes: "21 minutes" }] }]
  },
  {
    name: "library-check",
    id: "1010",
    runs: [
      {
        id: "7901",
        at: "17 minutes",
        tasks: [
          { key: "install", takes: "1 second", fails: "Library installation failed: no wheel for numpy" }
        ]
      },
      { id: "7902", at: "17 minutes", skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" }
    ]
  }
]
