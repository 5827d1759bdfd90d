import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Suites start real servers; two workers is what a small machine carries.
    maxWorkers: 2,
    minWorkers: 1,
    pool: "forks"
  }
})
