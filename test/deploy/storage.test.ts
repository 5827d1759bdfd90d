/** Neon's own storage under compose: the script that makes a timeline, and names that meet. Its images are not run here. */
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parse } from "yaml"
import { check } from "../../src/domain/conf/Check.ts"
import { confContext } from "../rig/confContext.ts"

const deploy = path.resolve(import.meta.dirname, "../../deploy")
const read = (file: string) => fs.readFileSync(path.join(deploy, file), "utf8")
const hasCurl = spawnSync("curl", ["--version"]).status === 0
if (!hasCurl) console.warn("skipped: curl is not installed, no timeline is made")

const folder = fs.mkdtempSync(path.join(tmpdir(), "storage-"))
const config = path.join(folder, "config.json")

describe.skipIf(!hasCurl)("storage/timeline.sh", () => {
  const asked: Array<readonly [string, unknown]> = []
  let refused = ""
  // What a pageserver has under these paths: `pageserver/src/http/routes.rs`.
  const pageserver = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => {
      body += chunk
    })
    request.on("end", () => {
      const line = `${request.method} ${request.url}`
      asked.push([line, body === "" ? undefined : JSON.parse(body)])
      response.writeHead(refused !== "" && line.includes(refused) ? 500 : request.method === "POST" ? 201 : 200)
      response.end("{}")
    })
  })
  let url = ""
  const run = (env: Readonly<Record<string, string>>) =>
    new Promise<{ readonly code: number | null; readonly output: string }>((resolve) => {
      const child = spawn("bash", [path.join(deploy, "storage/timeline.sh")], {
        env: { PATH: process.env["PATH"], PAGESERVER: url, CONFIG: config, TRIES: "1", ...env }
      })
      let output = ""
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk) => {
          output += chunk
        })
      child.once("close", (code) => resolve({ code, output }))
    })
  const written = () => JSON.parse(fs.readFileSync(config, "utf8")).spec

  beforeAll(
    () =>
      new Promise<void>((resolve) => {
        pageserver.listen(0, "127.0.0.1", () => {
          const address: AddressInfo | string | null = pageserver.address()
          url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
          resolve()
        })
      })
  )
  beforeEach(() => {
    asked.length = 0
    refused = ""
    fs.rmSync(config, { force: true })
  })
  afterAll(() => {
    pageserver.closeAllConnections()
    pageserver.close()
    fs.rmSync(folder, { recursive: true })
  })

  it("makes a tenant, a timeline and a configuration that names them; once more, the same", async () => {
    const first = await run({ PG_VERSION: "16" })
    assert.strictEqual(first.code, 0, first.output)
    const spec = written()
    assert.match(spec.tenant_id, /^[0-9a-f]{32}$/)
    assert.match(spec.timeline_id, /^[0-9a-f]{32}$/)
    assert.notStrictEqual(spec.tenant_id, spec.timeline_id)
    const requests: ReadonlyArray<readonly [string, unknown]> = [
      ["GET /v1/status", undefined],
      [`PUT /v1/tenant/${spec.tenant_id}/location_config`, { mode: "AttachedSingle", generation: 1, tenant_conf: {} }],
      [`POST /v1/tenant/${spec.tenant_id}/timeline/`, { new_timeline_id: spec.timeline_id, pg_version: 16 }]
    ]
    assert.deepStrictEqual<ReadonlyArray<readonly [string, unknown]>>(asked, requests)
    const { tenant_id: _, timeline_id: __, ...rest } = spec
    const { tenant_id: ___, timeline_id: ____, ...template } = JSON.parse(read("storage/config.json")).spec
    assert.deepStrictEqual(rest, template)

    asked.length = 0
    const second = await run({ PG_VERSION: "16" })
    assert.strictEqual(second.code, 0, second.output)
    assert.deepStrictEqual(written(), spec)
    assert.deepStrictEqual<ReadonlyArray<readonly [string, unknown]>>(asked, requests)
  })

  it("takes ids that it is given", async () => {
    const ids = { TENANT_ID: "a".repeat(32), TIMELINE_ID: "b".repeat(32) }
    const { code, output } = await run(ids)
    assert.strictEqual(code, 0, output)
    assert.deepStrictEqual([written().tenant_id, written().timeline_id], [ids.TENANT_ID, ids.TIMELINE_ID])
  })

  it("writes no configuration of a timeline that was not made", async () => {
    refused = "/timeline/"
    const { code, output } = await run({})
    assert.notStrictEqual(code, 0)
    assert.include(output, "500")
    assert.isFalse(fs.existsSync(config))
  })

  it("says so when nobody answers", async () => {
    const { code, output } = await run({ PAGESERVER: "http://127.0.0.1:1" })
    assert.strictEqual(code, 1)
    assert.include(output, "http://127.0.0.1:1 does not answer")
  })
})

describe("compose beside storage", () => {
  const { services, volumes } = parse(read("compose.yaml"), { merge: true })
  const storage = parse(read("compose.yaml"), { merge: true })["x-neon"]

  it("has a configuration for a Postgres with neon that asks the services under their names", () => {
    const { spec } = Result.getOrThrow(check("config", read("storage/config.json"), confContext))
    const { pageserver_connstring, safekeeper_connstrings } = JSON.parse(read("storage/config.json")).spec
    const settings = new Map(spec?.spec.cluster.settings?.map(({ name, value }) => [name, value]))
    assert.include(settings.get("shared_preload_libraries"), "neon")
    assert.strictEqual(settings.get("synchronous_standby_names"), "walproposer")
    const safekeepers: ReadonlyArray<string> = safekeeper_connstrings
    for (const safekeeper of safekeepers) {
      const [host = "", port] = safekeeper.split(":")
      assert.strictEqual(services[host].hostname, host)
      assert.include(services[host].command[0], `--listen-pg=0.0.0.0:${port}`)
      assert.deepStrictEqual(services[host].image, storage.image)
    }
    assert.lengthOf(safekeepers, 3)
    const toml = read("storage/pageserver.toml")
    assert.strictEqual(pageserver_connstring, "postgresql://no_user@pageserver:6400")
    assert.include(toml, "listen_pg_addr = '0.0.0.0:6400'")
    assert.include(read("storage/timeline.sh"), "http://pageserver:9898")
    assert.include(toml, "listen_http_addr = '0.0.0.0:9898'")
    assert.include(toml, "broker_endpoint = 'http://broker:50051'")
    assert.include(services.broker.command, "--listen-addr=0.0.0.0:50051")
    for (const text of [toml, services.safekeeper1.command[0].replaceAll("=", " = ")])
      assert.match(text, /endpoint = 'http:\/\/bucket:9000'.*bucket_name = 'neon'/)
  })

  it("starts storage with options and settings that it has", () => {
    // `safekeeper/src/bin/safekeeper.rs`, `storage_broker/src/bin/storage_broker.rs`, `libs/pageserver_api/src/config.rs`,
    // `libs/remote_storage/src/config.rs`, of March 2026; of the settings those that a compose file may want.
    const safekeeper =
      "datadir id init listen-pg listen-pg-tenant-only listen-http listen-https advertise-pg availability-zone no-sync " +
      "broker-endpoint broker-keepalive-interval heartbeat-timeout peer-recovery remote-storage disable-wal-backup log-format dev"
    const broker = "listen-addr listen-https-addr timeline-chan-size all-keys-chan-size log-format"
    const pageserver =
      "listen_pg_addr listen_http_addr listen_grpc_addr availability_zone wait_lsn_timeout page_cache_size pg_distrib_dir " +
      "http_auth_type pg_auth_type remote_storage broker_endpoint log_format control_plane_api control_plane_emergency_mode"
    const bucket = "endpoint bucket_name bucket_region prefix_in_bucket upload_storage_class"
    const uses = (text: string, pattern: RegExp, known: string) => {
      const used = [...text.matchAll(pattern)].map(([, name = ""]) => name)
      assert.isNotEmpty(used)
      assert.deepStrictEqual(
        used.filter((name) => !known.split(" ").includes(name)),
        []
      )
    }
    for (const name of ["safekeeper1", "safekeeper2", "safekeeper3"]) {
      const [command] = services[name].command
      uses(command, / --([a-z-]+)/g, safekeeper)
      uses(command, /[{,]([a-z_]+)=/g, bucket)
    }
    uses(services.broker.command.join(" "), / --([a-z-]+)/g, broker)
    const toml = read("storage/pageserver.toml")
    uses(toml, /^([a-z_]+) =/gm, pageserver)
    uses(toml, /[{,] ([a-z_]+) =/g, bucket)
  })

  it("keeps what storage has in volumes that are declared, and publishes the compute alone", () => {
    const named = Object.values<{ readonly volumes?: ReadonlyArray<unknown>; readonly ports?: unknown }>(services)
    const used = named.flatMap(({ volumes: mounted = [] }) =>
      mounted.flatMap((mount) => (typeof mount === "string" ? [mount.split(":")[0] ?? ""] : []))
    )
    assert.sameMembers([...new Set(used)], Object.keys(volumes))
    assert.lengthOf(
      named.filter(({ ports }) => ports !== undefined),
      1
    )
  })
})
