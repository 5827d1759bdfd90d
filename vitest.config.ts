import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Suites start real servers and wait for them, half of the time: a machine of two processors carries three of them.
    maxWorkers: 3,
    pool: "forks",
    // Of the tests of a file that asks for it.
    maxConcurrency: 3,
    // On a machine whose processors are shared, a test that fails once is asked again, and the report names it: what
    // fails twice is wrong, what fails once wants a sturdier test. At a desk nothing is asked twice.
    retry: process.env["CI"] === undefined ? 0 : 1
  }
})
