/**
 * The image on the engine that this machine has: the example configuration beside emulated storage, with a root that is read
 * only, no capability and 400 MB. Asked for by TEST_IMAGE; IMAGE names one that is built, and then that of Debian 13 is left out.
 */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { built, dockerfile, ensureImage, image, isWanted, root } from "./built.ts"
import { call, hardened, LABEL, logs, succeeds, until } from "./engine.ts"

const MEGABYTE = 1_000_000
const MEBIBYTE = 1_048_576
/** Uncompressed. */
const IMAGE_BUDGET = 500 * MEGABYTE
const EXECUTABLE_BUDGET = 130 * MEGABYTE
/** Longer than a stop may take: beyond it the engine would kill. */
const GRACE = 45

const sizes = (image: string) => {
  const count = call("run", "--rm", "--network=none", "--entrypoint=/usr/bin/stat", image, "-c%s", PROGRAM)
  const found = { image: Number(call("image", "inspect", "--format", "{{.Size}}", image)), executable: Number(count) }
  process.stderr.write(
    `${image}: ${Math.round(found.image / MEGABYTE)} MB of ${IMAGE_BUDGET / MEGABYTE}, executable ` +
      `${(found.executable / MEGABYTE).toFixed(1)} MB of ${EXECUTABLE_BUDGET / MEGABYTE}\n`
  )
  return found
}
const keepsToBudget = (image: string) => {
  const found = sizes(image)
  assert.isBelow(found.image, IMAGE_BUDGET)
  assert.isBelow(found.executable, EXECUTABLE_BUDGET)
}

const PROGRAM = "/usr/local/bin/compute_ctl"
const name = `compute-test-${process.pid}`
const storage = `${name}-storage`
const plain = `${name}-plain`
const volumes = ["data", "sockets", "emulated"].map((what) => `${name}-${what}`)
const [data = "", sockets = "", emulated = ""] = volumes
const folder = fs.mkdtempSync(path.join(tmpdir(), "image-"))

// Both containers have the first one's loopback and nothing else: ports are nobody else's, no name has to be resolved.
const rights = [...hardened, "--volume", `${emulated}:/neon/cache`]

const inside = (container: string, script: string) => call("exec", container, "/bin/bash", "-c", script)
const sql = (text: string) =>
  call("exec", name, "psql", "-h", "localhost", "-U", "cloud_admin", "-Atc", text, "app").trim()

/** The image's own health check, as the engine would run it. */
const healthCheck: ReadonlyArray<string> = JSON.parse(/^ +CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? "[]")
const isReady = () => succeeds("exec", name, ...healthCheck)
const untilReady = () => until(isReady, () => logs(name))
/** When the process of a container's argument list was started, in clock ticks. */
const supervisor = () =>
  inside(
    name,
    `for p in /proc/[0-9]*; do
  if [ "$(readlink $p/exe)" = ${PROGRAM} ] && grep -qz -- --compute-id=compute $p/cmdline; then cut -d' ' -f22 $p/stat; fi
done`
  ).trim()

describe.skipIf(!isWanted)("the image", () => {
  beforeAll(async () => {
    await ensureImage()
    const config = JSON.parse(fs.readFileSync(path.join(root, "deploy/config.example.json"), "utf8"))
    config.spec.pageserver_connstring = "postgresql://no_user@127.0.0.1:6400"
    config.spec.safekeeper_connstrings = [0, 1, 2].map((number) => `127.0.0.1:${5454 + number}`)
    fs.chmodSync(folder, 0o755)
    const write = (file: string, content: unknown) =>
      fs.writeFileSync(path.join(folder, file), JSON.stringify(content), { mode: 0o644 })
    write("config.json", config)
    write("empty.json", { compute_ctl_config: config.compute_ctl_config })
    const { tenant_id, timeline_id } = config.spec
    call(
      ...["run", "--detach", "--name", storage, ...rights, "--no-healthcheck", "--network=none"],
      ...["--entrypoint", PROGRAM, image, "emulate"],
      ...["--port-safekeepers=5454", "--port-pageservers=6400", "--dir=/neon/cache/emulated"],
      ...[`--tenant-id=${tenant_id}`, `--timeline-id=${timeline_id}`]
    )
    await until(
      () => logs(storage).includes("pgbin"),
      () => logs(storage)
    )
    call(
      ...["run", "--detach", "--name", name, ...rights, "--no-healthcheck", `--network=container:${storage}`],
      ...["--memory=400m", "--volume", `${data}:/var/db/postgres/compute`, "--volume", `${sockets}:/run/postgresql`],
      ...["--volume", `${folder}/config.json:/var/db/postgres/configs/config.json:ro`, image],
      // The image's own Postgres, which has no neon.
      ...["--pgdata=/var/db/postgres/compute/pgdata", "--connstr=postgresql://cloud_admin@localhost:5432/postgres"],
      ...["--compute-id=compute", "--config=/var/db/postgres/configs/config.json"]
    )
    await untilReady()
  }, 900_000)
  afterAll(() => {
    for (const container of [plain, name, storage]) succeeds("rm", "--force", container)
    succeeds("volume", "rm", "--force", ...volumes)
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it("keeps to its budget", () => keepsToBudget(image))

  it("runs as 999:999 without capabilities", () => {
    assert.strictEqual(call("image", "inspect", "--format", "{{.Config.User}}", image).trim(), "999:999")
    assert.strictEqual(inside(name, "echo $(id -u):$(id -g)").trim(), "999:999")
    assert.match(inside(name, "cat /proc/1/status"), /^CapEff:\s+0+$/m)
  })

  it("serves SQL, and does without JIT's library", () => {
    const text = "SET jit = on; SET jit_above_cost = 0; SELECT sum(n) FROM generate_series(1, 1000) n"
    assert.strictEqual(sql(text).split("\n").at(-1), "500500")
  })

  it("holds the program's other name", () => {
    assert.include(inside(name, "fast_import --help"), "Usage: fast_import")
  })

  it("brings a health check, which fails where nothing answers", () => {
    assert.include(call("image", "inspect", "--format", "{{json .}}", image), "/dev/tcp/127.0.0.1/3080")
    assert.isTrue(isReady())
    assert.isFalse(succeeds("exec", name, ...healthCheck.map((word) => word.replace("/3080", "/3079"))))
  })

  it("loses a backend that takes 2 GB of its 400 MB, and nothing else", async ({ skip }) => {
    const limit = inside(name, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>&1 || true")
    if (!limit.includes(String(400 * MEBIBYTE))) skip("this machine's containers have no limit of memory")
    const before = supervisor()
    assert.match(before, /^\d+$/)
    const hungry = "SELECT count(a) FROM (SELECT array_agg(repeat('x', 2000)) AS a FROM generate_series(1, 1000000)) s"
    assert.throws(() => sql(hungry), /terminat|server closed|recovery/)
    await until(
      () => succeeds("exec", name, "psql", "-h", "localhost", "-U", "cloud_admin", "-Atc", "SELECT 1", "app"),
      () => logs(name)
    )
    assert.strictEqual(supervisor(), before)
    assert.match(logs(name), /was terminated by signal 9/)
  })

  it("killed, starts again on the same volumes", async () => {
    call("kill", "--signal=KILL", name)
    succeeds("wait", name)
    call("start", name)
    await untilReady()
    assert.strictEqual(sql("SELECT 1"), "1")
  })

  it("stops in order and in time", () => {
    const before = Date.now()
    call("stop", "--time", String(GRACE), name)
    assert.isBelow(Date.now() - before, GRACE * 1000)
    assert.strictEqual(call("inspect", "--format", "{{.State.ExitCode}}", name).trim(), "1")
    assert.match(logs(name), /database system is shut down/)
  })

  it("as process 1, on a root of its own and empty, leaves no orphan behind as a zombie", async () => {
    call(
      ...["run", "--detach", "--name", plain, "--label", LABEL, "--no-healthcheck", "--network=none"],
      ...["--entrypoint", PROGRAM],
      ...["--volume", `${folder}/empty.json:/var/db/postgres/configs/config.json:ro`, image],
      "--config=/var/db/postgres/configs/config.json",
      ...["--pgdata=/var/db/postgres/compute/pgdata", "--connstr=postgresql://cloud_admin@localhost:5432/postgres"],
      "--compute-id=compute"
    )
    const asked = healthCheck.map((word) => word.replace("/readyz", "/poolz"))
    await until(
      () => succeeds("exec", plain, ...asked),
      () => logs(plain)
    )
    inside(plain, "for n in 1 2 3 4 5; do (sleep 0.2 &); done")
    const states = () =>
      inside(plain, "cat /proc/[0-9]*/status 2>/dev/null | grep -cE '^(Name:.sleep|State:.Z)' || true")
    await until(
      () => states().trim() === "0",
      () => inside(plain, "cat /proc/[0-9]*/status | grep -E '^(Name|State|PPid)'")
    )
  })
})

describe.skipIf(!isWanted || process.env["IMAGE"] !== undefined)("the image of Debian 13", () => {
  const other = "compute_ctl:test-13"
  beforeAll(() => built(other, { DEBIAN: "13.1", POSTGRES_MAJOR: "17" }), 900_000)

  it("keeps to its budget", () => keepsToBudget(other))

  it("has Postgres 17, and an executable that starts", () => {
    const run = (...args: ReadonlyArray<string>) =>
      call("run", "--rm", "--network=none", "--entrypoint=/bin/bash", other, "-c", ...args)
    assert.include(run("$POSTGRES_PATH --version"), "(PostgreSQL) 17.")
    assert.match(run("compute_ctl version"), /\S/)
  })

  it("imports with the programs of Postgres 17 too, while it dumps and after it", () => {
    const script = `
      cd /tmp; bin=$(dirname $POSTGRES_PATH)
      source="host=localhost port=5555 user=cloud_admin dbname=postgres"
      $bin/initdb -D source -U cloud_admin -N >&2; $bin/pg_ctl -D source -o "-p 5555 -k /tmp" -w start >&2
      psql "$source" -q -c "CREATE TABLE one AS SELECT n FROM generate_series(1, 1000) n" \\
        -c "CREATE FUNCTION heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'" \\
        -c "CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION heard()" -c "CREATE DATABASE target"
      import="--pg-bin-dir $bin --pg-lib-dir $bin/../lib --working-directory"
      fast_import $import first --at-once pgdata --pg-port 5556 --source-connection-string "$source" >&2
      fast_import $import second --jobs 2 pgdata --pg-port 5556 --source-connection-string "$source" >&2
      fast_import $import third --at-once dump-restore --source-connection-string "$source" \\
        --destination-connection-string "\${source/%postgres/target}" >&2
      psql "\${source/%postgres/target}" -Atc "SELECT count(*), (SELECT count(*) FROM pg_event_trigger) FROM one"
      for made in first second; do
        $bin/postgres --single -D $made/pgdata neondb <<<"SELECT count(*) AS of_$made FROM one" 2>/dev/null | grep -o "of_$made = .[0-9]*"
      done`
    const said = call(
      ...["run", "--rm", "--label", LABEL, "--network=none", "--tmpfs=/tmp:mode=1777", "--no-healthcheck"],
      ...["--entrypoint=/bin/bash", other, "-euc", script]
    )
    assert.deepStrictEqual(said.trim().split("\n"), ["1000|0", 'of_first = "1000', 'of_second = "1000'])
  })
})
