import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import * as OutboxSuite from "@observability-agents/testing/OutboxSuite"

OutboxSuite.suite("OutboxMemory", (bounds) => OutboxMemory.layer(bounds))
