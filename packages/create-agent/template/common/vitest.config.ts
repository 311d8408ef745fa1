import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // For what hangs. A test in virtual time may take long on a busy machine, and is right all the same.
    testTimeout: 60_000
  }
})
