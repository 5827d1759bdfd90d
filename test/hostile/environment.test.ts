/**
 * What others have left in our environment, and a working directory that is gone: neither changes whom our programs
 * connect to, nor how they start.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { program, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { fullPgbin, tempDir } from "../rig/postgres.ts"

const LIMIT = 300_000

const hostile = {
  PGHOST: "/nowhere",
  PGHOSTADDR: "192.0.2.1",
  PGPORT: "1",
  PGDATABASE: "nosuch",
  PGUSER: "nosuch",
  PGPASSWORD: "wrong",
  PGPASSFILE: "/nowhere",
  PGSERVICE: "nosuch",
  PGSERVICEFILE: "/nowhere",
  PGSSLMODE: "verify-full",
  PGSSLROOTCERT: "/nowhere",
  PGREQUIREAUTH: "gss",
  PGTARGETSESSIONATTRS: "standby",
  PGOPTIONS: "-c nosuch=1",
  PGCLIENTENCODING: "nosuch",
  PGDATESTYLE: "nosuch",
  PGTZ: "nosuch",
  PGDATA: "/nowhere",
  PGAPPNAME: "nosuch",
  PG_GRANDPARENT_PID: "1",
  POSTGRES_PASSWORD: "secret",
  POSTGRES_INITDB_ARGS: "--nosuch"
} as const

describe("variables of libpq and the server, and no working directory", () => {
  it.live.runIf(fullPgbin !== undefined)(
    "change nothing of a start, of a dump, of a reload and of a stop",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator(fullPgbin === undefined ? {} : { pgbin: fullPgbin })
        const gone = path.join(yield* tempDir("gone-"), "directory")
        fs.mkdirSync(gone)
        const compute = yield* startCompute({
          emulator,
          spec: null,
          env: hostile,
          program: ["bash", "-c", `cd ${gone} && rmdir ${gone} && exec "$@"`, "bash", ...program()]
        })
        yield* compute.waitFor("empty")
        assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
        yield* compute.waitFor("running")
        const dump = yield* compute.http({ path: "/database_schema?database=postgres" })
        assert.strictEqual(dump.status, 200, dump.body)
        assert.include(dump.body, "PostgreSQL database dump complete")
        const [pid = ""] = fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")
        const theirs = fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
        assert.deepStrictEqual(
          theirs.filter((line) =>
            Object.keys(hostile).some((name) => line.startsWith(`${name}=`) && name !== "PGDATA")
          ),
          []
        )
        assert.notInclude(theirs, "PGDATA=/nowhere")
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.match(compute.log(), /database system is shut down/)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )
})
