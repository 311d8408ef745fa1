/** What the tests of every package share: they run on the sources of the packages, so that no build is needed. */
import { defaultServerConditions } from "vite"
import { defineConfig } from "vitest/config"

export default defineConfig({
  ssr: { resolve: { conditions: ["@observability-agents/source", ...defaultServerConditions] } },
  test: {
    include: ["test/**/*.test.ts"],
    // For what hangs. A test in virtual time may take long on a busy machine, and is right all the same.
    testTimeout: 60_000
  }
})
