/**
 * The files that run the program elsewhere name what the program has: options, paths, ports, probes; and one another.
 * What Kubernetes itself would say of them is in `rendered.test.ts`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parse } from "yaml"
import { parseArguments } from "../../src/cli/arguments.ts"
import { check } from "../../src/domain/conf/Check.ts"
import { Authorized } from "../../src/http/api/middleware.ts"
import { Probes } from "../../src/http/api/probes.ts"
import { confContext } from "../rig/confContext.ts"
import { composeFaults } from "./schemas.ts"

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
const real = read("deploy/compose.yaml")
const compose = read("deploy/compose.remote.yaml")
const dev = read("deploy/compose.dev.yaml")
const pool = read("deploy/kubernetes/overlays/pool/pool.yaml")
const deployment = read("deploy/kubernetes/base/compute.yaml")
const policy = read("deploy/kubernetes/base/network-policy.yaml")
const seconds = (text: string, key: string) => Number(new RegExp(`${key}: (\\d+)s?$`, "m").exec(text)?.[1])

const split = (word: string): readonly [string, string] => {
  const at = word.indexOf("=")
  return [word.slice(0, at), word.slice(at + 1)]
}

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
    for (const probe of [probes.startupz, probes.livez, probes.readyz, probes.poolz])
      assert.isFalse([...probe.middlewares].some((key) => key.key === Authorized.key))
    assert.match(deployment, /name: http, containerPort: 3080 /)
    assert.match(deployment, /name: postgres, containerPort: 5432 /)
    assert.match(deployment, /periodSeconds: 1\n\s+timeoutSeconds: 2\n\s+failureThreshold: 90\n/)
    // Nobody waits for a spec in the Service of a pool: its members are ready for one.
    assert.match(pool, new RegExp(`readinessProbe:\\n\\s+httpGet: \\{ path: ${probes.poolz.path}, port: http \\}`))
    assert.notMatch(pool, /startupProbe|livenessProbe/)
  })

  it("never publish the internal API", () => {
    for (const text of [compose, dev, real, deployment, policy]) assert.notMatch(text, /3081/)
    for (const text of [compose, dev, real]) assert.include(text, `"127.0.0.1:\${HTTP_PORT:-3080}:3080"`)
  })

  it("give a stop more time than its longest limits", () => {
    for (const text of [compose, dev, real]) assert.isAtLeast(seconds(text, "stop_grace_period"), 45)
    assert.isAtLeast(seconds(deployment, "terminationGracePeriodSeconds"), 45)
    assert.match(image, /^STOPSIGNAL SIGTERM$/m)
    assert.match(image, /^ENTRYPOINT \["\/usr\/bin\/tini", "--", /m)
    // Kubernetes and compose take the image's init: nothing overrides it but by the same.
    assert.notMatch(deployment, /^\s+command:/m)
    for (const [, entrypoint = ""] of `${compose}${dev}`.matchAll(/^\s+entrypoint: (.*)$/gm)) {
      assert.include(entrypoint, '"/usr/bin/tini", "--"')
    }
  })

  it("come with a configuration that could be run", () => {
    for (const file of ["deploy/config.example.json", "deploy/config.dev.json"]) {
      const checked = Result.getOrThrow(check("config", read(file), confContext))
      // Without a key nobody could call the API; what the image's Postgres does not have keeps it from starting.
      assert.isNotEmpty(checked.config.compute_ctl_config.jwks.keys, file)
      const names = checked.spec?.spec.cluster.settings?.map(({ name }) => name)
      assert.notIncludeMembers(names ?? [], ["shared_preload_libraries"], file)
      assert.notIncludeMembers(names ?? [], ["synchronous_standby_names"], file)
    }
  })

  it("of compose are what the Compose specification takes", () => {
    for (const [name, text] of Object.entries({ real, compose, dev }))
      assert.deepStrictEqual(composeFaults(parse(text, { merge: true })), [], name)
    const { services, ...rest } = parse(dev, { merge: true })
    const wrong = (compute: object) => composeFaults({ ...rest, services: { ...services, compute } }).join("\n")
    assert.include(
      wrong({ ...services.compute, comand: [] }),
      "/services/compute: must NOT have additional properties (comand)"
    )
    assert.include(
      wrong({ ...services.compute, read_only: "maybe", ports: 3080 }),
      "/services/compute/ports: must be array"
    )
  })

  it("of compose.dev meet: the emulator's ports, timeline and Postgres are those of the compute", () => {
    const storage = new Map(list(dev, "command").map((word): [string, string] => [...split(word)]))
    const { spec } = JSON.parse(read("deploy/config.dev.json"))
    const first = Number(storage.get("--port-safekeepers"))
    assert.deepStrictEqual(
      spec.safekeeper_connstrings,
      [0, 1, 2].map((number) => `storage:${first + number}`)
    )
    assert.include(spec.pageserver_connstring, `@storage:${storage.get("--port-pageservers")}`)
    assert.deepStrictEqual(
      [spec.tenant_id, spec.timeline_id],
      [storage.get("--tenant-id"), storage.get("--timeline-id")]
    )
    assert.include(dev, `--pgbin=${storage.get("--dir")}/bin/postgres\n`)
  })

  it("of compose take no folder for a configuration that is missing", () => {
    // The long form of a mount, and never the short one of anything in this folder.
    assert.strictEqual(real.match(/source: \.\//g)?.length, real.match(/create_host_path: false/g)?.length)
    for (const text of [compose, dev, real]) assert.notMatch(text, /^\s+- \.\/\S+:/m)
    for (const text of [compose, dev]) {
      assert.match(
        text,
        /target: \/var\/db\/postgres\/configs\/config\.json\n\s+read_only: true\n\s+bind: \{ create_host_path: false \}/
      )
    }
  })

  it("give it no right that it does not need, and a volume wherever it writes beside a root that is read only", () => {
    const { containers, securityContext, volumes } = parse(deployment).spec.template.spec
    assert.deepInclude(securityContext, {
      runAsNonRoot: true,
      runAsUser: 999,
      seccompProfile: { type: "RuntimeDefault" }
    })
    assert.match(image, /^USER 999:999$/m)
    const [container] = containers
    assert.deepStrictEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] }
    })
    const mounts: ReadonlyArray<{ name: string; mountPath: string }> = container.volumeMounts
    assert.includeMembers(
      mounts.map(({ mountPath }) => mountPath),
      ["/var/db/postgres/compute", "/var/run/postgresql", "/dev/shm", "/neon/cache", "/tmp"]
    )
    assert.sameMembers(
      mounts.map(({ name }) => name),
      volumes.map(({ name }: { name: string }) => name)
    )
  })

  it("name a version of the image, and files that are there", () => {
    for (const folder of ["base", "overlays/single", "overlays/pool", "overlays/vertical", "components/monitored"]) {
      const where = `deploy/kubernetes/${folder}`
      const { images = [], patches = [], resources = [] } = parse(read(`${where}/kustomization.yaml`))
      for (const file of [...resources, ...patches.map((patch: { path: string }) => patch.path)])
        assert.isTrue(fs.existsSync(path.resolve(import.meta.dirname, "../..", where, file)), `${where}: ${file}`)
      // Kubernetes asks for `latest` again at every start.
      for (const { newTag } of images) assert.notInclude([undefined, "latest"], newTag)
    }
    assert.match(deployment, /imagePullPolicy: IfNotPresent/)
  })

  it("select the free members of a pool alone, replace them without a gap, and keep them apart from a single compute", () => {
    const { spec } = parse(pool)
    const free = { app: "compute", fleet: "free" }
    assert.deepStrictEqual(spec.selector.matchLabels, free)
    assert.deepStrictEqual(spec.template.metadata.labels, free)
    assert.deepInclude(spec.strategy, { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } })
    for (const file of ["service", "disruption"]) {
      const { selector } = parse(read(`deploy/kubernetes/overlays/pool/${file}.yaml`)).spec
      assert.deepStrictEqual(selector.matchLabels ?? selector, free)
    }
    const single = { app: "compute", fleet: "single" }
    assert.deepStrictEqual(parse(deployment).spec.selector.matchLabels, single)
    assert.deepStrictEqual(parse(read("deploy/kubernetes/base/service.yaml")).spec.selector, single)
    // The policy is for both.
    assert.deepStrictEqual(parse(policy).spec.podSelector.matchLabels, { app: "compute" })
  })

  it("put the program where the original was, owned by its account", () => {
    const derived = read("deploy/compute-node.Dockerfile")
    assert.include(derived, "COPY --chown=postgres:postgres --chmod=0755 compute_ctl /usr/local/bin/compute_ctl\n")
    assert.match(derived, /^USER postgres$/m)
    assert.notMatch(derived, /^(?:ENTRYPOINT|CMD|ENV) /m)
  })
})
