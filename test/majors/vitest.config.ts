/**
 * The suites that depend on what Postgres is, each major version a project: what speaks SQL, and what starts, applies, stops
 * and reconfigures. `npm run test:majors`.
 */
import * as path from "node:path"
import { defineConfig } from "vitest/config"
import { installedMajors } from "../../scripts/majors.mjs"
import base from "../../vitest.config.ts"

const root = path.resolve(import.meta.dirname, "../..")

const ofProcesses = ["acceptance", "catalog", "start", "stop", "reconfigure"].map(
  (name) => `test/process/${name}.test.ts`
)

const all = [
  ...["catalog", "golden", "plan", "requests"].map((name) => `test/postgres/${name}.test.ts`),
  "test/layers/sql/**/*.test.ts",
  "test/layers/catalog/**/*.test.ts",
  "test/layers/postgres/Readiness.test.ts",
  "test/layers/observe/Monitor.test.ts",
  "test/layers/machine/vmmonitor/*.test.ts",
  ...["canary", "settings", "delete-role", "event-triggers"].map((name) => `test/hostile/${name}.test.ts`),
  ...ofProcesses
]

/** For who has five minutes. What speaks SQL runs on Debian's version and on that of the dependencies in any case. */
const few = [
  "test/postgres/catalog.test.ts",
  "test/layers/postgres/Readiness.test.ts",
  ...["catalog", "start"].map((name) => `test/process/${name}.test.ts`)
]
const OF_DEPENDENCIES = 17
const OF_DEBIAN = 15

const isShort = process.env["TEST_MAJORS"] === "short"

const suitesOn = (major: number): ReadonlyArray<string> =>
  !isShort ? all : major === OF_DEPENDENCIES ? ofProcesses : few

const { include: _, ...common } = base.test ?? {}

export default defineConfig({
  root,
  test: {
    ...common,
    projects: installedMajors()
      .filter(([major]) => !isShort || major !== OF_DEBIAN)
      .map(([major, program]) => ({
        extends: true,
        test: { name: `Postgres ${major}`, include: [...suitesOn(major)], env: { POSTGRES_PATH: program } }
      }))
  }
})
