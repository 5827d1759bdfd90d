/**
 * What can be seen of the built program: metrics, log files, traces.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { families } from "../../src/domain/observe/MetricFamilies.ts"
import { type CollectedSpan, traceCollector } from "../layers/traceCollector.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { makeConfig, merge, setting } from "../rig/spec.ts"
import { parseExposition } from "../rig/strictExposition.ts"
import { adminToken, makeKeys } from "../rig/tokens.ts"
import { eventually, LIMIT } from "../rig/waits.ts"

const scrape = (compute: Compute) =>
  Effect.map(compute.http({ path: "/metrics", token: null }), ({ body, headers, status }) => {
    assert.strictEqual(status, 200)
    assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4")
    const found = parseExposition(body)
    const declared = families.map(({ name }) => name)
    // In the declared order, with the declared labels and no others.
    const order = found.map(({ name }) => declared.indexOf(name))
    assert.deepStrictEqual(
      order,
      [...order].sort((a, b) => a - b)
    )
    for (const { name, samples, type } of found) {
      const family = families.find((candidate) => candidate.name === name)
      assert.strictEqual(type, family?.type)
      for (const { labelNames } of samples) {
        assert.deepStrictEqual(labelNames, [...(family?.labels ?? [])].sort(), name)
      }
    }
    return { body, families: new Map(found.map((family) => [family.name, family])) }
  })

/** Polls until the exposition has this line. */
const untilLine = (compute: Compute, line: string) => {
  let last = ""
  const look = Effect.map(scrape(compute), ({ body }) => {
    last = body
    return body.split("\n").includes(line)
  })
  return eventually(() => `the line ${line} in\n${last}`, look, Boolean)
}

const golden = parseExposition(
  fs
    .readFileSync(path.join(import.meta.dirname, "../golden/http/metrics.txt"), "utf8")
    .replace(/^# TYPE (\S+) /gm, "# HELP $1 x\n# TYPE $1 ")
)

describe("/metrics", () => {
  it.live(
    "of a running primary has every recorded family with the recorded samples",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({
          emulator,
          settings: [setting("shared_preload_libraries", "pg_stat_statements")]
        })
        yield* compute.waitFor("running")
        yield* untilLine(
          compute,
          'compute_installed_extensions{extension_name="plpgsql",owned_by_superuser="1",version="1.0"} 2'
        )
        const { families: found } = yield* scrape(compute)
        for (const { name, samples } of golden) {
          const ours = found.get(name)
          for (const { labels, value } of samples) {
            // Of another server there are other versions.
            const alike = (label: string, text: string) =>
              label === "version" || label === "build_tag" || labels[label] === text
            const match = ours?.samples.find(
              (sample) =>
                sample.value === value && Object.entries(sample.labels).every(([label, text]) => alike(label, text))
            )
            if (labels["extension_name"] !== "neon") assert.isDefined(match, `${name} ${JSON.stringify(labels)}`)
          }
        }
        assert.lengthOf(found.get("compute_ctl_up")?.samples ?? [], 1)
      }),
    LIMIT
  )

  it.live(
    "of an empty compute has what needs no label, at 0, and nothing that has one but its status",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const compute = yield* startCompute({ emulator, spec: null })
        yield* compute.waitFor("empty")
        const { body, families: found } = yield* scrape(compute)
        assert.include(body, 'compute_ctl_up{build_tag="latest",status="empty"} 1\n')
        const zeros = golden.map(({ name }) => name).filter((name) => !/_up$|installed/.test(name))
        assert.lengthOf(zeros, 9)
        for (const name of zeros) assert.deepStrictEqual(found.get(name)?.samples.at(0)?.value, 0, name)
        for (const name of [
          "compute_installed_extensions",
          "cplane",
          "remote_ext",
          "db_migration",
          "pg_cctl_attached"
        ]) {
          assert.notInclude(body, name)
        }
      }),
    LIMIT
  )

  it.live(
    "counts each request to the control plane by its answer",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [{ peer: "control", times: 2, action: { do: "error", code: "503", message: "later" } }]
        const compute = yield* startCompute({
          emulator,
          source: "control-plane",
          spec: { skip_pg_catalog_updates: true }
        })
        yield* compute.waitFor("running")
        const { body } = yield* scrape(compute)
        const line = (status: string, count: number) =>
          `compute_ctl_cplane_requests_total{http_status="${status}",rpc="GetConfig"} ${count}\n`
        assert.include(body, line("503 Service Unavailable", 2))
        assert.include(body, line("200 OK", 1))
      }),
    LIMIT
  )

  it.live(
    "shows a status at once, however it was reached, and counts requests to refresh in each",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const compute = yield* startCompute({
          emulator,
          source: "control-plane",
          spec: { skip_pg_catalog_updates: true }
        })
        yield* compute.waitFor("running")
        emulator.world.faults = [{ peer: "control", action: { do: "silence" } }]
        const asked = yield* compute.http({
          method: "POST",
          path: "/refresh_configuration",
          server: "internal",
          token: null
        })
        assert.strictEqual(asked.status, 200)
        yield* untilLine(compute, 'compute_ctl_up{build_tag="latest",status="refresh-configuration"} 1')
        const refused = yield* compute.http({
          method: "POST",
          path: "/refresh_configuration",
          server: "internal",
          token: null
        })
        assert.strictEqual(refused.status, 500)
        const { body } = yield* scrape(compute)
        assert.include(body, "pg_cctl_pagestream_request_errors_total 2\n")
        // A control plane that says nothing does not keep the process from its end.
        const before = compute.log().length
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.notInclude(compute.log().slice(before), "to get config failed", "its answer was waited for")
      }),
    LIMIT
  )

  it.live(
    "of a lakebase instance says whose tenant is attached, and not before there is one",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const logs = path.join(yield* tempDir("logs-"), "made")
        const compute = yield* startCompute({
          emulator,
          spec: null,
          args: ["--lakebase-mode", "true"],
          env: { INSTANCE_ID: "inst-1", COMPUTE_CTL_LOG_DIRECTORY: logs }
        })
        yield* compute.waitFor("empty")
        assert.notInclude((yield* scrape(compute)).body, "pg_cctl_attached")
        yield* compute.http({
          method: "POST",
          path: "/configure",
          body: makeConfig(merge(compute.spec, { skip_pg_catalog_updates: true }))
        })
        yield* compute.waitFor("running")
        const { tenant_id, timeline_id } = emulator.addresses
        yield* untilLine(
          compute,
          `pg_cctl_attached{pg_compute_id="compute-rig",pg_instance_id="inst-1",tenant_id="${tenant_id}",timeline_id="${timeline_id}"} 1`
        )
        compute.signal("SIGTERM")
        yield* compute.ended

        const [file = ""] = fs.readdirSync(logs)
        assert.match(file, /^pgcctl\.\d{4}-\d{2}-\d{2}$/)
        const lines = fs.readFileSync(path.join(logs, file), "utf8").trimEnd().split("\n")
        const shape =
          /^\{"timestamp": "\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3} GMT", "error_severity": "(ERROR|WARN|INFO)", "file_name": "[^"]+", "backend_type": "compute_ctl_self", "pg_instance_id": "(?:inst-1)?", "pg_compute_id": "(?:compute-rig)?", "message": "(?:[^"\\]|\\.)*"\}$/
        for (const line of lines) assert.match(line, shape)
        const records = lines.map((line) => JSON.parse(line))
        const first = records.findIndex(({ pg_compute_id }) => pg_compute_id !== "")
        assert.isAbove(first, 0, "nothing was written before the spec came")
        for (const record of records.slice(first)) {
          assert.deepStrictEqual([record.pg_instance_id, record.pg_compute_id], ["inst-1", "compute-rig"])
        }
        assert.include(records[first].message, "starting compute for project")
        assert.isFalse(records.some(({ message }) => String(message).startsWith("PG:")))
      }),
    LIMIT
  )
})

const TRACE = "0af7651916cd43dd8448eb211c80319c"
const OTHER = "4bf92f3577b34da6a3ce929d0e0e4736"
const PARENT = "b7ad6b7169203331"

const tracing = (url: string) => ({
  OTEL_SDK_DISABLED: "false",
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_BSP_SCHEDULE_DELAY: "200"
})

const terminated = (compute: Compute) =>
  Effect.andThen(compute.http({ method: "POST", path: "/terminate?mode=immediate" }), compute.ended)

/** Names from the root down to the span; null when one of them was not sent. */
const lineage = (spans: ReadonlyArray<CollectedSpan>, span: CollectedSpan): ReadonlyArray<string> => {
  const above = spans.find(({ spanId }) => spanId === span.parentSpanId)
  return above === undefined ? [span.name] : [...lineage(spans, above), span.name]
}

describe("traces", () => {
  it.live(
    "of a start and a reconfiguration hang below the requests that brought the spec, and give no secret away",
    () =>
      Effect.gen(function* () {
        const { received, url } = yield* traceCollector()
        const keys = makeKeys()
        const emulator = yield* startEmulator({ tokenKey: keys })
        const storedKey = Buffer.alloc(32, "stored").toString("base64")
        const password = `SCRAM-SHA-256$4096:c2FsdHNhbHQ=$${storedKey}:${Buffer.alloc(32, "server").toString("base64")}`
        const compute = yield* startCompute({
          emulator,
          spec: null,
          env: { ...tracing(url), NEON_CONTROL_PLANE_TOKEN: "cplane-secret", PGBOUNCER_PASSWORD: "bouncer-secret" }
        })
        yield* compute.waitFor("empty")
        const spec = merge(compute.spec, {
          endpoint_id: "ep-1",
          endpoint_storage_addr: emulator.addresses.endpoint_storage,
          endpoint_storage_token: "storage-secret",
          cluster: {
            roles: [{ name: "app", encrypted_password: password, options: null }],
            databases: [{ name: "shop", owner: "app", options: null }]
          }
        })
        const configure = (trace: string, body: object) =>
          compute.http({
            method: "POST",
            path: "/configure",
            body: makeConfig(body),
            headers: { traceparent: `00-${trace}-${PARENT}-01` }
          })
        assert.strictEqual((yield* configure(TRACE, spec)).status, 200)
        assert.strictEqual((yield* configure(OTHER, merge(spec, { operation_uuid: "two" }))).status, 200)
        const refused = yield* compute.http({
          path: "/dbs_and_roles?password=query-secret",
          token: "Bearer header-secret"
        })
        assert.notStrictEqual(refused.status, 200)
        assert.strictEqual((yield* terminated(compute)).code, 0)

        const spans = received.flatMap((sent) => sent.spans)
        for (const { resource, path: where } of received) {
          assert.deepStrictEqual([resource["service.name"], where], ["compute_ctl", "/v1/traces"])
          assert.strictEqual(resource["service.instance.id"], "compute-rig")
        }
        const named = (name: string, trace: string) => {
          const found = spans.find((span) => span.name === name && span.traceId === trace)
          if (found === undefined) throw new Error(`no ${name} in ${trace}: ${[...new Set(spans.map((s) => s.name))]}`)
          return found
        }
        const start = named("start_compute", TRACE)
        assert.strictEqual(lineage(spans, start)[0], "POST /configure")
        const http = named("POST /configure", TRACE)
        assert.strictEqual(http.attributes["http.route"], "/configure")
        assert.deepStrictEqual(
          spans.flatMap(({ attributes, name, status }) =>
            name.endsWith("/dbs_and_roles") ? [[status, attributes["http.response.status_code"]]] : []
          ),
          [[0, String(refused.status)]]
        )
        assert.isFalse(spans.some(({ attributes }) => /^\/(metrics|livez|readyz)/.test(attributes["url.path"] ?? "")))
        assert.isFalse(spans.some(({ events }) => events.includes("[]")))
        assert.deepStrictEqual(
          [http.parentSpanId, http.kind, http.attributes["http.request.method"], http.attributes["url.path"]],
          [PARENT, 2, "POST", "/configure"]
        )
        assert.strictEqual(lineage(spans, named("reconfigure", OTHER))[0], "POST /configure")
        for (const name of [
          ...["prepare_pgdata", "check_safekeepers_synced", "get_basebackup", "try_get_basebackup", "start_postgres"],
          ...["configure_as_primary", "apply_spec_sql", "db_apply_changes"]
        ]) {
          assert.include(lineage(spans, named(name, TRACE)), "start_compute", name)
        }
        assert.include(lineage(spans, named("apply_spec_sql", OTHER)), "reconfigure")

        const secrets = [
          ...["cplane-secret", "bouncer-secret", "storage-secret", "query-secret", "header-secret"],
          ...[password, storedKey, adminToken(), emulator.addresses.storage_token ?? "?"]
        ]
        const everything = received.map(({ text }) => text).join("\n")
        for (const secret of secrets) {
          assert.notInclude(everything, secret)
          assert.notInclude(compute.log(), secret)
        }
      }),
    LIMIT
  )

  it.live(
    "of a compute that has its spec continue the trace of its environment",
    () =>
      Effect.gen(function* () {
        const { received, url } = yield* traceCollector()
        const emulator = yield* startFakeEmulator()
        const compute = yield* startCompute({
          emulator,
          spec: { skip_pg_catalog_updates: true },
          env: { ...tracing(url), TRACEPARENT: `00-${TRACE}-${PARENT}-01` }
        })
        yield* compute.waitFor("running")
        yield* terminated(compute)
        const spans = received.flatMap((sent) => sent.spans)
        const start = spans.find(({ name }) => name === "start_compute")
        assert.deepStrictEqual([start?.traceId, start?.parentSpanId], [TRACE, PARENT])
      }),
    LIMIT
  )

  it.live(
    "do not hold the stop up when the collector hangs, refuses or is not there",
    () =>
      Effect.gen(function* () {
        const hanging = yield* traceCollector(() => "hang")
        const refusing = yield* traceCollector(() => 503)
        const emulator = yield* startFakeEmulator()
        const stopTime = (env: Record<string, string>) =>
          Effect.gen(function* () {
            const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true }, env })
            yield* compute.waitFor("running")
            const before = Date.now()
            assert.strictEqual((yield* terminated(compute)).code, 0, compute.log())
            return Date.now() - before
          })
        const plain = yield* stopTime({})
        for (const url of [hanging.url, refusing.url, "http://127.0.0.1:1", "http://192.0.2.1:4318"]) {
          assert.isBelow((yield* stopTime(tracing(url))) - plain, 8000, url)
        }
      }),
    LIMIT
  )
})
