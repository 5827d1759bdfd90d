/**
 * What whoever runs `fast_import` sees of it: objects, exit codes, and a machine on which nothing of it is left.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import pg from "pg"
import { throwAwayPostgres } from "../layers/throwAwayPostgres.ts"
import {
  hasTools,
  pgdataOf,
  pretended,
  putSpec,
  type RunningImport,
  runImport,
  statuses,
  workingDirectory
} from "../rig/fastImport.ts"
import { freePort } from "../rig/freePort.ts"
import { type ObjectStore, startObjectStore } from "../rig/objectStore.ts"
import { account } from "../rig/postgres.ts"
import { processesOf } from "../rig/processes.ts"
import { LIMIT, until } from "../rig/waits.ts"

const BIN = "/usr/lib/postgresql/15/bin"

const query = (connectionString: string, text: string) =>
  Effect.promise(async () => {
    const client = new pg.Client({ connectionString })
    await client.connect()
    try {
      const { rows } = await client.query({ text, rowMode: "array" })
      return rows
    } finally {
      await client.end()
    }
  })

/** A server with a database that has what an import has to carry, and an event trigger, which it has to leave. */
const filledSource = Effect.gen(function* () {
  const server = yield* throwAwayPostgres(BIN)
  yield* query(
    server.connstr,
    `CREATE TABLE "café" (id int PRIMARY KEY, text text);
     INSERT INTO "café" SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n;
     CREATE FUNCTION heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
     CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION heard();
     COMMENT ON EVENT TRIGGER audit IS 'left behind'`
  )
  return server
})

const COUNT = `SELECT count(*)::int, (SELECT count(*)::int FROM pg_event_trigger) FROM "café"`

const exitCode = (running: RunningImport) => Effect.map(running.ended, ({ code }) => code)
const nobodyIn = (workdir: string) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* processesOf(workdir), [])
  })

describe("the command line", () => {
  it.live("prints its help behind the first line of the log, and refuses what is wrong with 2", () =>
    Effect.gen(function* () {
      const helped = yield* runImport({ options: ["--help"], command: [] })
      assert.strictEqual(yield* exitCode(helped), 0)
      assert.match(helped.stdout(), /^\{"timestamp":"[^"]+Z","level":"INFO","fields":\{"message":"starting"\}\}\n/)
      assert.include(helped.stdout(), "Usage: fast_import [OPTIONS] <COMMAND>")
      const wrong = yield* runImport({ command: ["pgdata", "--pg-port", "65536"] })
      assert.strictEqual(yield* exitCode(wrong), 2)
    })
  )

  it.live("says on stderr what failed where there is no storage to say it in", () =>
    Effect.gen(function* () {
      const bin = yield* pretended({ pg_dump: "printf 'first\\n caf\\351 \\nthe cause\\n' >&2; exit 1" })
      const command = ["dump-restore", "--source-connection-string=host=s", "--destination-connection-string=host=d"]
      const running = yield* runImport({ bin, command })
      assert.strictEqual(yield* exitCode(running), 1)
      assert.includeMembers([...running.messages()], ["first", " caf\ufffd ", "the cause", "pg_dump exited"])
      assert.match(running.log(), /^Error: pg_dump failed\n\nCaused by:\n {4}pg_dump ended with code 1: first\n/m)
      assert.match(running.stdout(), /"message":"the cause","fd":"stderr"\},"span":\{"name":"pg_dump"\}/)
      const nothing = yield* runImport({ command: ["dump-restore"] })
      assert.strictEqual(yield* exitCode(nothing), 101)
      const unknown = yield* runImport({
        bin: yield* pretended({ pg_config: "echo 'PostgreSQL 13.4'" }),
        command: ["pgdata", "--source-connection-string=host=s"]
      })
      assert.strictEqual(yield* exitCode(unknown), 101)
      assert.include(unknown.log(), "PostgreSQL 13.4 is not one of Postgres 14 to 18")
    })
  )

  it.live("repeats nothing of a connection string that cannot be read", () =>
    Effect.gen(function* () {
      const running = yield* runImport({
        bin: yield* pretended({ pg_dump: 'echo "$@"' }),
        command: [
          "dump-restore",
          "--source-connection-string=postgresql://me:se%zzcret@h/db",
          "--destination-connection-string=host=d"
        ]
      })
      assert.strictEqual(yield* exitCode(running), 1)
      assert.match(
        running.log(),
        /pg_dump failed\n\nCaused by:\n {4}the source connection string cannot be read: a value is/
      )
      assert.notMatch(running.log(), /cret|spawned/)
    })
  )

  it.live("gives a password to nobody who lists processes", () =>
    Effect.gen(function* () {
      const bin = yield* pretended({
        pg_dump: `case $1 in --help) exit ;; esac
          echo "$@"; echo "it is $PGPASSWORD and $HOME"; tail -n 1 "$PGSERVICEFILE"
          xargs -0 <"/proc/$PPID/cmdline" echo cmdline; stat -c 'mode %a' "$PGSERVICEFILE"`,
        pg_restore: "exit 1"
      })
      const running = yield* runImport({
        bin,
        command: [
          "dump-restore",
          "--source-connection-string=postgresql://me:sec%20ret@h/db?sslpassword=hush",
          "--destination-connection-string",
          "host=d password=hush"
        ]
      })
      yield* running.ended
      const dumped = running.messages().find((message) => message.startsWith("--no-owner")) ?? ""
      assert.match(dumped, /--format directory --jobs \d+ --verbose -f \S+\/dumpdir --no-sync postgresql:\/\/me@h\/db$/)
      assert.includeMembers([...running.messages()], ["it is sec ret and ", "sslpassword=<redacted>", "mode 600"])
      const seen = running.messages().find((message) => message.startsWith("cmdline")) ?? ""
      assert.match(
        seen,
        /^cmdline fast_import --pg-bin-dir=.* dump-restore --source-connection-string=\*\*\* --destination-connection-string \*\*\* *$/
      )
      assert.notInclude(running.log(), "hush")
      assert.deepStrictEqual(fs.readdirSync(running.workdir), [])
    })
  )
})

describe("a job that is ended", () => {
  const sleeping = pretended({ pg_dump: "case $1 in --help) exit ;; esac; echo sleeping; exec sleep 600" })
  const command = ["dump-restore"]

  it.live("by a signal stops what it started and says so", () =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      putSpec(store, "host=s", "host=d")
      const running = yield* runImport({ store, bin: yield* sleeping, command })
      yield* until("the dump", () => running.messages().includes("sleeping"))
      running.signal("SIGTERM")
      assert.strictEqual(yield* exitCode(running), 143)
      assert.deepStrictEqual(statuses(store), [
        ["fast_import", '{"command":"dump-restore","done":false,"error":"stopped by SIGTERM"}']
      ])
      yield* nobodyIn(running.workdir)
      assert.deepStrictEqual(fs.readdirSync(running.workdir), ["status"])
    })
  )

  it.live(
    "by SIGKILL leaves nobody behind",
    () =>
      Effect.gen(function* () {
        const running = yield* runImport({
          bin: yield* sleeping,
          command: [...command, "--source-connection-string=host=s", "--destination-connection-string=host=d"]
        })
        yield* until("the dump", () => running.messages().includes("sleeping"))
        running.signal("SIGKILL")
        yield* running.ended
        for (let left = 1; left > 0; yield* Effect.sleep("20 millis")) {
          left = (yield* processesOf(running.workdir)).filter((one) => one.command.includes("sleep 600")).length
        }
      }),
    LIMIT
  )

  it.live("by its time limit says so", () =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      putSpec(store, "host=s", "host=d")
      const running = yield* runImport({
        store,
        bin: yield* sleeping,
        options: ["--timeout=1", "--status-detail"],
        command
      })
      assert.strictEqual(yield* exitCode(running), 0)
      assert.deepStrictEqual(statuses(store), [
        [
          "fast_import",
          '{"command":"dump-restore","done":false,"error":"not done within 1 seconds","detail":{"causes":[]}}'
        ]
      ])
    })
  )
})

describe("a restore while the dump runs", () => {
  const helped = 'case "$1 $2" in --help*) exit ;; "--list -f") : >"$3"; exit ;; esac'
  const command = ["dump-restore", "--source-connection-string=host=s", "--destination-connection-string=host=d"]
  const run = (pg_dump: string, pg_restore: string) =>
    Effect.gen(function* () {
      const bin = yield* pretended({ pg_dump: `${helped}\n${pg_dump}`, pg_restore: `${helped}\n${pg_restore}` })
      const running = yield* runImport({ bin, options: ["--at-once"], command })
      const code = yield* exitCode(running)
      yield* nobodyIn(running.workdir)
      assert.deepStrictEqual(fs.readdirSync(running.workdir), [])
      return { code, running }
    }).pipe(Effect.scoped)

  it.live("fails when the dump does, which the restore never takes for its end", () =>
    Effect.gen(function* () {
      const { code, running } = yield* run(
        "head -c 300000 /dev/zero; echo the cause >&2; exit 1",
        "cat >/dev/null; echo took it for the end"
      )
      assert.strictEqual(code, 1)
      assert.match(running.log(), /^Error: pg_dump failed\n\nCaused by:\n {4}pg_dump ended with code 1: the cause$/m)
      assert.notInclude(running.messages(), "took it for the end")
    })
  )

  it.live("fails at once where it cannot write, as on a full disk, and waits for no dump that nobody reads", () =>
    Effect.gen(function* () {
      const { code, running } = yield* run("mkdir head; exec cat /dev/zero", "cat >/dev/null")
      assert.strictEqual(code, 1)
      assert.match(running.log(), /^Error: pg_dump failed\n\nCaused by:\n.*cannot write \S+\/dumpdir\/head\n.*EISDIR/m)
    })
  )

  it.live("fails when the restore does, and ends the dump", () =>
    Effect.gen(function* () {
      const { code, running } = yield* run(
        "exec cat /dev/zero",
        "head -c 200000 >/dev/null; echo the cause >&2; exit 1"
      )
      assert.strictEqual(code, 1)
      assert.match(
        running.log(),
        /^Error: pg_restore failed\n\nCaused by:\n {4}pg_restore ended with code 1: the cause$/m
      )
    })
  )

  it.live("is done when both are, also where the restore needs no more, and carries every byte", () =>
    Effect.gen(function* () {
      const little = yield* run("head -c 3000000 /dev/zero", "head -c 10 >/dev/null")
      assert.strictEqual(little.code, 0, little.running.log())
      const all = yield* run("seq 300000", "md5sum")
      assert.strictEqual(all.code, 0, all.running.log())
      const whole = Array.from({ length: 300_000 }, (_, at) => `${at + 1}\n`).join("")
      assert.include(all.running.messages(), `${createHash("md5").update(whole).digest("hex")}  -`)
    })
  )
})

describe("a job that fails", () => {
  const failing = (prepare: (store: Effect.Success<typeof startObjectStore>) => void, command: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      prepare(store)
      const running = yield* runImport({ store, bin: yield* pretended({}), command })
      return [yield* exitCode(running), ...statuses(store).map(([, text]) => text)]
    }).pipe(Effect.scoped)
  const failed = (command: string, error: string) => [0, JSON.stringify({ command, done: false, error })]

  it.live(
    "says so in the words of the original",
    () =>
      Effect.gen(function* () {
        const spec = (text: string) => (store: Effect.Success<typeof startObjectStore>) =>
          void store.objects.set("bkt/job/spec.json", Buffer.from(text))
        const results = yield* Effect.all(
          [
            failing(() => undefined, ["pgdata"]),
            failing(spec("null"), ["pgdata"]),
            failing(spec('{"encryption_secret":{"KMS":{}}}'), ["pgdata"]),
            failing((store) => putSpec(store, "host=s"), ["pgdata", "--source-connection-string=host=x"]),
            failing((store) => putSpec({ ...store, encrypt: () => "aaaa" }, "host=s"), ["pgdata"]),
            failing((store) => putSpec({ ...store, encrypt: () => "aaaa" }, "", ""), ["dump-restore"]),
            failing((store) => putSpec(store, Buffer.from([0xff]), "host=d"), ["dump-restore"]),
            failing((store) => putSpec(store, "host=s", null), ["dump-restore"])
          ],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(results, [
          failed("pgdata", "get spec from s3"),
          failed("pgdata", "spec must be provided for pgdata command"),
          failed("pgdata", "parse spec as json"),
          failed("pgdata", "only one of spec or source_connection_string can be provided"),
          failed("pgdata", "decrypt connection string"),
          failed("dump-restore", "decrypt source connection string"),
          failed("dump-restore", "parse connection string as utf8"),
          failed("dump-restore", "destination connection string must be provided in spec for dump_restore command")
        ])
      }),
    LIMIT
  )

  it.live("sends nothing that lay in the directory before", () =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      putSpec(store, "host=s")
      const workdir = yield* workingDirectory
      fs.mkdirSync(path.join(workdir, "status"))
      fs.writeFileSync(path.join(workdir, "status/pgdata"), '{"done":true}')
      const running = yield* runImport({ store, workdir, command: ["pgdata"] })
      assert.strictEqual(yield* exitCode(running), 0)
      assert.deepStrictEqual(statuses(store), [
        ["fast_import", '{"command":"pgdata","done":false,"error":"working directory is not empty"}']
      ])
    })
  )

  it.live("ends with 1 when its status cannot be written", () =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      store.fault = ({ method }) => (method === "PUT" ? 403 : null)
      const running = yield* runImport({ store, command: ["pgdata"] })
      assert.strictEqual(yield* exitCode(running), 1)
      assert.match(running.log(), /^Error: sync status directory to destination\n/m)
      assert.match(running.log(), /^get spec from s3$/m)
      for (const object of ["s3://bkt/job/status/fast_import", "s3://bkt/job/spec.json"])
        assert.include(running.log(), `: ${object}\n`)
    })
  )

  it.live("names the object or the key that it could not have, and reads no spec without an end", () =>
    Effect.gen(function* () {
      const told = (prepare: (store: Effect.Success<typeof startObjectStore>) => void) =>
        Effect.gen(function* () {
          const store = yield* startObjectStore
          prepare(store)
          const options = ["--status-detail"]
          const running = yield* runImport({ store, options, bin: yield* pretended({}), command: ["pgdata"] })
          assert.strictEqual(yield* exitCode(running), 0)
          const { detail, error } = JSON.parse(statuses(store)[0]?.[1] ?? "")
          return [error, ...detail.causes].join(" <- ")
        }).pipe(Effect.scoped)
      const refused = yield* told((store) => {
        store.fault = ({ method }) => (method === "GET" ? 403 : null)
      })
      assert.match(refused, /^get spec from s3 <- s3:\/\/bkt\/job\/spec.json <- .*AccessDenied/)
      const large = yield* told((store) => void store.objects.set("bkt/job/spec.json", Buffer.alloc(2_000_000, " ")))
      assert.match(large, /^download spec body <- s3:\/\/bkt\/job\/spec.json <- .*more than 1048576 bytes/)
      const key = yield* told((store) => putSpec({ ...store, keyId: "arn:of:another" }, "host=s"))
      assert.match(key, /^decrypt connection string <- key arn:of:another <- .*NotFound/)
    })
  )

  it.live("says by which signal a program of its was ended", () =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      putSpec(store, "host=s", "host=d")
      const bin = yield* pretended({ pg_dump: "kill -9 $$" })
      const running = yield* runImport({ store, options: ["--status-detail"], bin, command: ["dump-restore"] })
      assert.strictEqual(yield* exitCode(running), 0)
      const { detail, error } = JSON.parse(statuses(store)[0]?.[1] ?? "")
      assert.strictEqual(error, "pg_dump failed")
      assert.match(detail.causes.join(), /SIGKILL/)
      yield* nobodyIn(running.workdir)
    })
  )
})

/** The note of a complete data directory counts for this boot of the machine. */
const BOOT = "/proc/sys/kernel/random/boot_id"

describe.skipIf(!fs.existsSync(BOOT))("an upload that goes on", () => {
  /** A job that has nothing left to do but to send these files. */
  const sending = (store: ObjectStore, names: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const workdir = yield* workingDirectory
      for (const name of ["global/pg_control", ...names]) {
        const file = path.join(workdir, "pgdata", name)
        fs.mkdirSync(path.dirname(file), { recursive: true })
        fs.writeFileSync(file, `content of ${name}`)
      }
      const control = createHash("sha256").update("content of global/pg_control").digest("hex")
      const note = { boot: fs.readFileSync(BOOT, "utf8").trim(), prefix: "s3://bkt/job", control }
      fs.writeFileSync(path.join(workdir, "pgdata.complete"), JSON.stringify(note))
      putSpec(store, "host=s")
      const options = ["--resume", "--status-detail"]
      return yield* runImport({ store, workdir, options, bin: yield* pretended({}), command: ["pgdata"] })
    })

  it.live("ends with a signal while storage says nothing", () =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      store.fault = ({ path: place }) => (place.endsWith("/base/1") ? "silent" : null)
      const running = yield* sending(store, ["base/1", "base/2"])
      yield* until("the request", () => store.asked.some(({ path: place }) => place.endsWith("/base/1")))
      running.signal("SIGTERM")
      assert.strictEqual(yield* exitCode(running), 143)
      assert.deepStrictEqual(
        statuses(store).map(([name, text]) => [name, JSON.parse(text).error]),
        [["fast_import", "stopped by SIGTERM"]]
      )
    })
  )

  it.live("asks again where storage is busy or hangs up, and names what it never took", () =>
    Effect.gen(function* () {
      const store = yield* startObjectStore
      const busy = [503, "cut", 500] as const
      const asked = new Map<string, number>()
      store.fault = ({ method, path: place }) => {
        if (method !== "PUT") return null
        const times = asked.get(place) ?? 0
        asked.set(place, times + 1)
        return place.endsWith("/base/1") ? (busy[times] ?? null) : place.endsWith("/base/2") ? 500 : null
      }
      const running = yield* sending(store, ["base/1", "base/2"])
      assert.strictEqual(yield* exitCode(running), 0)
      assert.strictEqual(String(store.objects.get("bkt/job/pgdata/base/1")), "content of base/1")
      assert.strictEqual(asked.get("/bkt/job/pgdata/base/2"), 5)
      const [[name, text] = ["", ""], ...more] = statuses(store)
      assert.deepStrictEqual([name, more], ["fast_import", []])
      const { detail, done, error } = JSON.parse(text)
      assert.deepStrictEqual([done, error], [false, "sync dump directory to destination"])
      assert.match(detail.causes[0], /\/pgdata\/base\/2 to s3:\/\/bkt\/job\/pgdata\/base\/2$/)
    })
  )
})

/**
 * The job starts Postgres with the arguments of the original, so its socket lies where the distribution's build puts it: a folder
 * that an ordinary user may not write to on Debian.
 */
const SOCKETS = "/var/run/postgresql"
const mayListen = () => {
  if (process.getuid?.() === 0 || !fs.existsSync(SOCKETS)) return true
  try {
    fs.accessSync(SOCKETS, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

describe.skipIf(!hasTools || !mayListen())("pgdata", () => {
  it.live(
    "lays a cluster into storage that a server starts on, the statuses last; a second run goes on where one was refused",
    () =>
      Effect.gen(function* () {
        const source = yield* filledSource
        const store = yield* startObjectStore
        putSpec(store, source.connstr)
        const port = yield* freePort
        const command = ["pgdata", `--pg-port=${port}`, "--num-cpus=2"]
        store.fault = ({ method, path: place }) =>
          method === "PUT" && place.endsWith("/global/pg_control") ? 403 : null
        const refused = yield* runImport({ store, options: ["--resume", "--jobs=2"], command })
        assert.strictEqual(yield* exitCode(refused), 0, refused.log())
        assert.deepStrictEqual(statuses(store), [
          ["fast_import", '{"command":"pgdata","done":false,"error":"sync dump directory to destination"}']
        ])
        assert.include(refused.messages(), "using 2 jobs for dump/restore")
        yield* nobodyIn(refused.workdir)
        store.fault = () => null
        const uploaded = store.objects.size
        store.asked.length = 0
        const resumed = yield* runImport({ store, options: ["--resume"], command, workdir: refused.workdir })
        assert.strictEqual(yield* exitCode(resumed), 0, resumed.log())
        assert.deepStrictEqual(statuses(store), [
          ["pgdata", '{"done":true}'],
          ["fast_import", '{"command":"pgdata","done":true}']
        ])
        const puts = store.asked.filter(({ method }) => method === "PUT")
        assert.isAtMost(puts.length, store.objects.size - uploaded + 12)
        assert.deepStrictEqual(
          puts.slice(-2).map(({ path: place }) => place),
          ["/bkt/job/status/pgdata", "/bkt/job/status/fast_import"]
        )
        const data = yield* pgdataOf(store)
        const answer = execFileSync(
          path.join(BIN, "postgres"),
          ["--single", "-D", data, "-c", "exit_on_error=true", "neondb"],
          {
            input: `SELECT count(*) AS tuples FROM "café"\nSELECT count(*) AS triggers FROM pg_event_trigger\n`,
            encoding: "utf8",
            stdio: ["pipe", "pipe", "ignore"],
            ...(account !== null && { uid: account.uid, gid: account.gid })
          }
        )
        assert.match(answer, /tuples = "1000"/)
        assert.match(answer, /triggers = "0"/)
      }),
    LIMIT
  )

  it.live(
    "restores while it dumps, leaves its server running while somebody looks, and ends in order with Ctrl-C",
    () =>
      Effect.gen(function* () {
        const source = yield* filledSource
        const port = yield* freePort
        const running = yield* runImport({
          options: ["--at-once"],
          command: [
            "pgdata",
            `--pg-port=${port}`,
            `--source-connection-string=${source.connstr}`,
            "-i",
            "--memory-mb=300"
          ]
        })
        const waits = () => running.messages().some((message) => message.startsWith("Running in interactive mode"))
        yield* until("its wait", waits, LIMIT)
        const connstr = `postgresql://cloud_admin@127.0.0.1:${port}/neondb`
        assert.deepStrictEqual(yield* query(connstr, COUNT), [[1000, 0]])
        assert.deepStrictEqual(yield* query(connstr, "SHOW shared_buffers"), [["30MB"]])
        assert.include(running.messages(), "dump and restore at once")
        assert.deepStrictEqual(running.fields("restore in progress").at(-1), { tables: 1, tables_done: 1 })
        assert.isFalse(fs.existsSync(path.join(running.workdir, "dumpdir")))
        running.signal("SIGINT")
        assert.strictEqual(yield* exitCode(running), 0, running.log())
        yield* nobodyIn(running.workdir)
      }),
    LIMIT
  )

  it.live(
    "fails at once when its server cannot run, and touches no other on its port",
    () =>
      Effect.gen(function* () {
        const store = yield* startObjectStore
        putSpec(store, "host=s")
        const other = yield* throwAwayPostgres(BIN, { listen_addresses: "127.0.0.1" })
        const small = yield* runImport({ store, command: ["pgdata", "--memory-mb=5"] })
        assert.strictEqual(yield* exitCode(small), 1)
        const taken = yield* runImport({ store, command: ["pgdata", `--pg-port=${other.port}`] })
        assert.strictEqual(yield* exitCode(taken), 1)
        const texts = statuses(store).map(([, text]) => JSON.parse(text).error)
        assert.strictEqual(texts[0], "spawn postgres")
        assert.include(["spawn postgres", "create database"], texts[1])
        assert.deepStrictEqual(
          yield* query(other.connstr, "SELECT count(*)::int FROM pg_database WHERE datname = 'neondb'"),
          [[0]]
        )
        yield* nobodyIn(taken.workdir)
      }),
    LIMIT
  )
})

describe.skipIf(!hasTools)("dump-restore", () => {
  it.live(
    "restores into a server of somebody who is no superuser, and says when it could not",
    () =>
      Effect.gen(function* () {
        const source = yield* filledSource
        const store = yield* startObjectStore
        yield* query(source.connstr, "CREATE ROLE somebody LOGIN PASSWORD 'p w'")
        yield* query(source.connstr, "CREATE DATABASE theirs OWNER somebody")
        const theirs = `postgresql://somebody:p%20w@127.0.0.1:${source.port}/theirs`
        yield* query(theirs.replace("somebody:p%20w", "cloud_admin"), "GRANT ALL ON SCHEMA public TO somebody")
        putSpec(store, source.connstr, theirs)
        const running = yield* runImport({ store, command: ["dump-restore"] })
        assert.strictEqual(yield* exitCode(running), 0, running.log())
        assert.deepStrictEqual(statuses(store), [["fast_import", '{"command":"dump-restore","done":true}']])
        assert.deepStrictEqual(yield* query(theirs, COUNT), [[1000, 0]])
        const again = yield* runImport({ store, command: ["dump-restore"] })
        assert.strictEqual(yield* exitCode(again), 0)
        assert.deepStrictEqual(statuses(store).at(-1), [
          "fast_import",
          '{"command":"dump-restore","done":false,"error":"pg_restore failed"}'
        ])
        assert.deepStrictEqual(fs.readdirSync(again.workdir), ["status"])
      }),
    LIMIT
  )
})
