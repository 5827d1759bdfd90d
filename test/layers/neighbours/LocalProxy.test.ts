import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LocalProxy } from "../../../src/layers/neighbours/LocalProxy.ts"
import { basics, spec } from "../../programs/fakes.ts"
import { placed } from "../../rig/places.ts"
import { daemon, directory, ended, eventually, installed, isAlive, machine } from "../companionRig.ts"

const KEY = {
  id: "jwks-1",
  role_names: ["authenticated"],
  jwks_url: "https://idp.example/.well-known/jwks.json",
  provider_name: "example",
  jwt_audience: null
}

const PRETTY = `{
  "jwks": [
    {
      "id": "jwks-1",
      "role_names": [
        "authenticated"
      ],
      "jwks_url": "https://idp.example/.well-known/jwks.json",
      "provider_name": "example",
      "jwt_audience": null
    }
  ]
}`

const at = (path: string, tls: Parameters<typeof machine>[0] = null) =>
  LocalProxy.layer.pipe(
    Layer.provide(placed({ localProxy: { config: join(path, "config.json"), pidFile: join(path, "pid") } })),
    Layer.provide(Layer.merge(basics, machine(tls)))
  )

const configure = (path: string, members: Record<string, unknown>, tls: Parameters<typeof machine>[0] = null) =>
  Effect.flatMap(LocalProxy, (proxy) => proxy.configure(spec(members))).pipe(Effect.provide(at(path, tls)))

const stop = (path: string) => Effect.flatMap(LocalProxy, (proxy) => proxy.stop).pipe(Effect.provide(at(path)))

const config = (path: string) => readFileSync(join(path, "config.json"), "utf8")

describe("LocalProxy.configure", () => {
  it.live("writes the configuration without what is null, and nothing else", () =>
    Effect.gen(function* () {
      const path = yield* directory
      yield* configure(path, { local_proxy_config: { jwks: [KEY], tls: { key_path: "/k", cert_path: "/c" } } })
      assert.strictEqual(config(path), PRETTY)
      assert.strictEqual(statSync(join(path, "config.json")).mode & 0o777, 0o644 & ~process.umask())
      yield* configure(path, { local_proxy_config: {} })
      assert.strictEqual(config(path), "{}")
      assert.deepStrictEqual(readdirSync(path), ["config.json"])
    })
  )

  it.live("puts the active key pair in the place of the given one", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const tls = { key_path: "/tls/key", cert_path: "/tls/crt" }
      const given = { jwks: null, tls: { key_path: "/other", cert_path: "/other" } }
      yield* configure(path, { local_proxy_config: given, features: ["tls_experimental"] }, tls)
      assert.deepStrictEqual(JSON.parse(config(path)), { tls })
    })
  )

  it.live("leaves everything as it is without a configuration, and names the file it cannot write", () =>
    Effect.gen(function* () {
      const path = yield* directory
      yield* configure(path, {})
      assert.deepStrictEqual(readdirSync(path), [])
      const error = yield* Effect.flip(configure(join(path, "missing"), { local_proxy_config: {} }))
      assert.include(error.message, join(path, "missing", "config.json"))
    })
  )
})

const locks = installed("/proc/locks")

/** A local_proxy as far as signals go: it holds the lock on its pid file and writes down each SIGHUP. */
const PROXY = `
  use Fcntl qw(:flock); $| = 1;
  open(my $pid, "+>>", "$ARGV[0]/pid") or die; flock($pid, LOCK_EX | LOCK_NB) or die;
  $SIG{HUP} = sub { open(my $log, ">>", "$ARGV[0]/heard"); print $log "HUP\\n"; close($log) };
  truncate($pid, 0); syswrite($pid, "$$"); open(my $up, ">", "$ARGV[0]/up"); close($up);
  sleep 1 while 1;
`
const perl = installed("/usr/bin/perl")
if (perl === undefined || locks === undefined)
  console.warn("skipped: perl or /proc/locks is missing, nobody can hold a lock")

describe.skipIf(perl === undefined || locks === undefined)("a local_proxy that runs", () => {
  const startProxy = (path: string) =>
    Effect.tap(daemon(perl ?? "", ["-e", PROXY, path]), () => eventually(() => readdirSync(path).includes("up")))

  it.live("hears of each new configuration and of the end", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const proxy = yield* startProxy(path)
      yield* configure(path, { local_proxy_config: { jwks: [KEY] } })
      yield* eventually(() => readdirSync(path).includes("heard"))
      assert.strictEqual(readFileSync(join(path, "heard"), "utf8"), "HUP\n")
      assert.isTrue(isAlive(proxy))
      yield* stop(path)
      assert.strictEqual(yield* ended(proxy), "SIGTERM")
    })
  )

  it.live("is not taken for the process of a pid file that nobody holds, nor of one that somebody else holds", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const bystander = yield* daemon("sleep", ["60"])
      writeFileSync(join(path, "pid"), String(bystander.pid))
      yield* configure(path, { local_proxy_config: {} })
      yield* stop(path)
      const other = yield* directory
      yield* startProxy(other)
      yield* stop(path)
      yield* Effect.sleep("100 millis")
      assert.isTrue(isAlive(bystander))
    })
  )

  it.live("is left alone while its pid file makes no sense", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const proxy = yield* startProxy(path)
      for (const text of ["0", "-1", "garbage", ""]) {
        writeFileSync(join(path, "pid"), text)
        yield* stop(path)
      }
      yield* Effect.sleep("100 millis")
      assert.isTrue(isAlive(proxy))
    })
  )
})
