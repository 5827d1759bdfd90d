/**
 * The files that run the program elsewhere name what the program has: options, paths, ports, probes.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseArguments } from "../../src/cli/arguments.ts"
import { check } from "../../src/domain/conf/Check.ts"
import { Authorized } from "../../src/http/api/middleware.ts"
import { Probes } from "../../src/http/api/probes.ts"

const read = (file: string) => fs.readFileSync(path.resolve(import.meta.dirname, "../..", file), "utf8")

/** The items of a list under a key: these files need no more of YAML. */
const list = (text: string, key: string): ReadonlyArray<string> => {
  const lines = text.split("\n")
  const at = lines.findIndex((line) => line.trim() === `${key}:`)
  const after = lines.slice(at + 1)
  const end = after.findIndex((line) => !/^\s+- \S/.test(line))
  return after.slice(0, end).map((line) => line.replace(/^\s+- /, ""))
}

const plain = (text: string) => text.replace(/\$\{[A-Z_]+:-([^}]*)\}/g, "$1").replace(/\$\(([A-Z_]+)\)/g, "$1")
const optionsOf = (args: ReadonlyArray<string>) => Result.getOrThrow(parseArguments(args.map(plain), {})).options

const image = read("Dockerfile")
const compose = read("deploy/compose.yaml")
const deployment = read("deploy/kubernetes/compute.yaml")
const policy = read("deploy/kubernetes/network-policy.yaml")
const seconds = (text: string, key: string) => Number(new RegExp(`${key}: (\\d+)s?$`, "m").exec(text)?.[1])

const probes = Probes.endpoints

describe("manifests", () => {
  for (const [name, text, key] of [
    ["compose", compose, "command"],
    ["Kubernetes", deployment, "args"]
  ] as const) {
    it(`of ${name} run it with arguments it takes, on folders that the image has`, () => {
      const { configPath, pgdata, ...options } = optionsOf(list(text, key))
      for (const folder of [path.dirname(pgdata), path.dirname(configPath ?? "")]) {
        assert.include(image, ` ${folder} `)
        assert.match(text, new RegExp(`${folder}(?:/config.json)?(?::|\\s|$|,)`, "m"))
      }
      // The container's ports are those of no flag at all.
      assert.deepStrictEqual([options.externalHttpPort, options.internalHttpPort], [3080, 3081])
    })
  }

  it("probe what is there, on the external port, and leave a start its 90 s", () => {
    const paths = [...deployment.matchAll(/(\w+)Probe:\n\s+httpGet: \{ path: (\S+), port: http \}/g)]
    assert.deepStrictEqual(
      paths.map(([, kind, where]) => [kind, where]),
      [
        ["startup", probes.startupz.path],
        ["liveness", probes.livez.path],
        ["readiness", probes.readyz.path]
      ]
    )
    for (const probe of [probes.startupz, probes.livez, probes.readyz])
      assert.isFalse([...probe.middlewares].some((key) => key.key === Authorized.key))
    assert.match(deployment, /name: http, containerPort: 3080 /)
    assert.match(deployment, /name: postgres, containerPort: 5432 /)
    assert.match(deployment, /periodSeconds: 1\n\s+failureThreshold: 90\n/)
  })

  it("never publish the internal API", () => {
    for (const text of [compose, deployment, policy]) {
      assert.notMatch(text.replace(/"--internal-http-port=3081"/, ""), /3081/)
    }
    assert.match(compose, /"127\.0\.0\.1:3080:3080"/)
  })

  it("give a stop more time than its longest limits", () => {
    assert.isAtLeast(seconds(compose, "stop_grace_period"), 45)
    assert.isAtLeast(seconds(deployment, "terminationGracePeriodSeconds"), 45)
    assert.match(image, /^STOPSIGNAL SIGTERM$/m)
    assert.match(image, /^ENTRYPOINT \["\/usr\/bin\/tini", "--", /m)
    // Kubernetes and compose take the image's init: nothing overrides it but by the same.
    assert.notMatch(deployment, /^\s+command:/m)
    for (const [, entrypoint = ""] of compose.matchAll(/^\s+entrypoint: (.*)$/gm)) {
      assert.include(entrypoint, '"/usr/bin/tini", "--"')
    }
  })

  it("come with a configuration that could be run", () => {
    const context = {
      internalHttpPort: 3081,
      tls: false,
      strictOvercommit: false,
      privilegedRole: "neon_superuser",
      lakebase: null
    }
    assert.isTrue(Result.isSuccess(check("config", read("deploy/config.example.json"), context)))
  })

  it("put the program where the original was, owned by its account", () => {
    const derived = read("deploy/compute-node.Dockerfile")
    assert.include(derived, "COPY --chown=postgres:postgres --chmod=0755 compute_ctl /usr/local/bin/compute_ctl\n")
    assert.match(derived, /^USER postgres$/m)
    assert.notMatch(derived, /^(?:ENTRYPOINT|CMD|ENV) /m)
  })
})
