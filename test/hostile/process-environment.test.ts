/**
 * Variables and files that steer other programs on the same runtime and libraries change nothing of what this one does.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runProgram, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"

const LIMIT = 300_000

/** What each would do is in the name or the value; `DIR` is a folder in which nothing may appear. */
const variables: ReadonlyArray<readonly [name: string, value: string]> = [
  ["NODE_CHANNEL_FD", "not a number"],
  ["NODE_CHANNEL_FD", "2"],
  ["NODE_CHANNEL_SERIALIZATION_MODE", "advanced"],
  ["NODE_UNIQUE_ID", "1"],
  ["NODE_OPTIONS", "--inspect --require DIR/none.js"],
  ["NODE_OPTIONS", "--no-such-option"],
  ["NODE_DEBUG", "fs,http,net,tls,timer,child_process"],
  ["NODE_DEBUG_NATIVE", "ALL"],
  ["NODE_V8_COVERAGE", "DIR/coverage"],
  ["NODE_COMPILE_CACHE", "DIR/cache"],
  ["NODE_REDIRECT_WARNINGS", "DIR/warnings"],
  ["NODE_PENDING_DEPRECATION", "1"],
  ["NODE_EXTRA_CA_CERTS", "DIR"],
  ["NODE_EXTRA_CA_CERTS", "/nowhere/ca.pem"],
  ["NODE_TLS_REJECT_UNAUTHORIZED", "0"],
  ["NODE_USE_ENV_PROXY", "1"],
  ["NODE_USE_SYSTEM_CA", "1"],
  ["NODE_ICU_DATA", "/nowhere"],
  ["NODE_PATH", "DIR"],
  ["NODE_PRESERVE_SYMLINKS", "1"],
  ["NODE_PRESERVE_SYMLINKS_MAIN", "1"],
  ["NODE_REPL_EXTERNAL_MODULE", "DIR/none.js"],
  ["NODE_REPL_HISTORY", "DIR/history"],
  ["NODE_TEST_CONTEXT", "child-v8"],
  ["NODE_PG_FORCE_NATIVE", "1"],
  ["NODE_ENV", "production"],
  ["WATCH_REPORT_DEPENDENCIES", "1"],
  ["OPENSSL_CONF", "DIR/../openssl.cnf"],
  ["OPENSSL_CONF", "/nowhere/openssl.cnf"],
  ["OPENSSL_CONF_INCLUDE", "DIR"],
  ["OPENSSL_ENGINES", "DIR"],
  ["OPENSSL_MODULES", "DIR"],
  ["SSL_CERT_FILE", "/nowhere/ca.pem"],
  ["SSL_CERT_DIR", "DIR"],
  ["SSLKEYLOGFILE", "DIR/keys"],
  ["QLOGDIR", "DIR"],
  ["CTLOG_FILE", "DIR/log"],
  ["UV_THREADPOOL_SIZE", "1"],
  ["UV_THREADPOOL_SIZE", "no number"],
  ["UV_USE_IO_URING", "1"],
  ["ICU_TIMEZONE_FILES_DIR", "DIR"],
  ["CARES_HOSTS", "DIR/hosts"],
  ["GRPC_VERBOSITY", "DEBUG"],
  ["GRPC_TRACE", "all"],
  ["GRPC_NODE_VERBOSITY", "DEBUG"],
  ["GRPC_NODE_TRACE", "all"],
  ["GRPC_SSL_CIPHER_SUITES", "none"],
  ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/nowhere/ca.pem"],
  ["GRPC_NODE_USE_ALTERNATIVE_RESOLVER", "true"],
  ["grpc_proxy", "http://127.0.0.1:9"],
  ["WS_NO_BUFFER_UTIL", "1"],
  ["UNDICI_NO_WASM_SIMD", "1"],
  ["DEBUG", "*"],
  ["FORCE_COLOR", "1"],
  ["LC_ALL", "tr_TR.UTF-8"],
  ["LANG", "tr_TR.UTF-8"]
]

/** An OpenSSL that reads this loads what it names, or does not start. */
const opensslConf = `openssl_conf = all
nodejs_conf = all
[all]
providers = chosen
[chosen]
other = other_section
[other_section]
module = /nowhere/other.so
activate = 1
`

/** What a working directory could hold that some runtime reads. */
const files: Readonly<Record<string, string>> = {
  ".env": "RUST_LOG=trace\nNODE_OPTIONS=--inspect\n",
  ".npmrc": "node-options=--inspect\n",
  "node.config.json": '{"nodeOptions": {"inspect": true}}',
  "package.json": '{"type": "module", "main": "none.js"}',
  "openssl.cnf": opensslConf,
  "index.js": "process.exit(7)",
  ".pgpass": "*:*:*:*:wrong\n",
  ".psqlrc": "\\q\n"
}

const place = Effect.gen(function* () {
  const root = yield* tempDir("environment-")
  const dir = path.join(root, "untouched")
  fs.mkdirSync(dir)
  fs.chmodSync(dir, 0o777)
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(root, name), text)
  const value = (text: string) => text.replaceAll("DIR", dir)
  return { root, dir, value }
})

describe("a variable or a file that is meant for others", () => {
  it.live(
    "changes neither what is said nor the exit code, each of them alone",
    () =>
      Effect.gen(function* () {
        const { dir, root, value } = yield* place
        const said = (env: Readonly<Record<string, string>>) =>
          Effect.gen(function* () {
            const running = yield* runProgram(["check", "--nothing"], { env, cwd: root })
            return { ...(yield* running.ended), log: running.log() }
          })
        const plain = yield* said({})
        assert.deepStrictEqual([plain.code, plain.signal], [2, null])
        assert.include(plain.log, "--nothing")
        yield* Effect.forEach(
          variables,
          ([name, text]) =>
            Effect.map(said({ [name]: value(text) }), (other) =>
              assert.deepStrictEqual(other, plain, `${name}=${text}`)
            ),
          { concurrency: 4 }
        )
        assert.deepStrictEqual(fs.readdirSync(dir), [])
      }),
    LIMIT
  )

  it.live(
    "changes nothing of a compute's life, all of them together",
    () =>
      Effect.gen(function* () {
        const { dir, root, value } = yield* place
        const env = Object.fromEntries(variables.map(([name, text]) => [name, value(text)]))
        const compute = yield* startCompute({
          emulator: yield* startEmulator(),
          env: {
            ...env,
            HOME: root,
            PGUSER: "nobody",
            PGSSLMODE: "require",
            PGOPTIONS: "-c search_path=elsewhere",
            PGPASSWORD: "wrong",
            PGAPPNAME: "somebody else",
            PGCLIENT_ENCODING: "LATIN1"
          },
          cwd: root
        })
        yield* compute.waitFor("running")
        assert.strictEqual((yield* compute.http({ path: "/status" })).status, 200)
        const names = yield* compute.sql(
          "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'somebody else' OR usename = 'nobody'"
        )
        assert.strictEqual(names, "0")
        assert.notMatch(compute.log(), /[Dd]ebugger|^[A-Z_0-9]+ \d+: /m)
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.deepStrictEqual(fs.readdirSync(dir), [])
      }),
    LIMIT
  )

  it.live(
    "does not trace the pageserver's gRPC, nor lead it elsewhere",
    () =>
      Effect.gen(function* () {
        const { root, value } = yield* place
        const env = Object.fromEntries(variables.map(([name, text]) => [name, value(text)]))
        const emulator = yield* startFakeEmulator()
        const [grpc_url] = emulator.addresses.pageservers_grpc
        const compute = yield* startCompute({
          emulator,
          env: { ...env, http_proxy: "http://127.0.0.1:9" },
          cwd: root,
          spec: {
            pageserver_connection_info: {
              shard_count: 0,
              prefer_protocol: "grpc",
              shards: { "0000": { pageservers: [{ id: 1, libpq_url: null, grpc_url }] } }
            }
          }
        })
        yield* compute.waitForLog("PostgreSQL is now running")
        assert.notMatch(compute.log(), /^[DEI] \d{4}-/m)
      }),
    LIMIT
  )
})
