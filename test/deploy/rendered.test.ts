/**
 * The overlays as a cluster would get them: members, types and kinds by Kubernetes' own schemas, and names that meet. No cluster and
 * no `kubectl` is needed; where one is installed, its kustomize makes the same of them.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { parseAllDocuments, stringify } from "yaml"
import { HASH, type Kustomization, type Manifest, render } from "./kustomize.ts"
import { faults } from "./schemas.ts"

const root = path.resolve(import.meta.dirname, "../..")
const folder = fs.mkdtempSync(path.join(tmpdir(), "kustomize-"))
afterAll(() => fs.rmSync(folder, { recursive: true }))

// A copy with what its readers bring: configurations, and an overlay of their own with the component.
fs.cpSync(path.join(root, "deploy/kubernetes"), folder, { recursive: true })
const example = JSON.parse(fs.readFileSync(path.join(root, "deploy/config.example.json"), "utf8"))
const write = (file: string, text: string) => {
  fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
  fs.writeFileSync(path.join(folder, file), text)
}
write("overlays/single/config.json", JSON.stringify(example))
write("overlays/pool/pool.json", JSON.stringify({ compute_ctl_config: example.compute_ctl_config }))
const monitored = (overlay: string): Kustomization => ({
  apiVersion: "kustomize.config.k8s.io/v1beta1",
  kind: "Kustomization",
  resources: [`../${overlay}`],
  components: ["../../components/monitored"]
})
for (const overlay of ["single", "pool"])
  write(`overlays/monitored-${overlay}/kustomization.yaml`, stringify(monitored(overlay)))

const overlays = ["single", "pool", "vertical", "monitored-single", "monitored-pool"]
const rendered = (overlay: string) => render(path.join(folder, "overlays", overlay))
const ofKind = (manifests: ReadonlyArray<Manifest>, kind: string) =>
  JSON.parse(JSON.stringify(manifests.filter((manifest) => manifest.kind === kind)))
const isSubset = (some: object, all: object) => {
  const there = new Map(Object.entries(all))
  return Object.entries(some).every(([label, value]) => there.get(label) === value)
}

const kubectl = spawnSync("kubectl", ["version", "--client", "-o", "json"], { encoding: "utf8" })
const hasKustomize = kubectl.status === 0 && /"kustomizeVersion": *"v5/.test(kubectl.stdout)

describe("rendered manifests", () => {
  for (const overlay of overlays) {
    it(`of ${overlay} are what Kubernetes 1.33 and the Prometheus operator take`, () => {
      const manifests = rendered(overlay)
      assert.includeMembers(
        manifests.map(({ kind }) => kind),
        ["Deployment", "Service", "Secret", "NetworkPolicy", "PodDisruptionBudget"]
      )
      assert.strictEqual(ofKind(manifests, "ServiceMonitor").length, overlay.startsWith("monitored") ? 1 : 0)
      for (const manifest of manifests) assert.deepStrictEqual(faults(manifest), [], manifest.kind)
    })

    it(`of ${overlay} find one another by their names and labels`, () => {
      const manifests = rendered(overlay)
      const [{ spec }] = ofKind(manifests, "Deployment")
      const { containers, volumes } = spec.template.spec
      const { labels } = spec.template.metadata
      assert.isTrue(isSubset(spec.selector.matchLabels, labels))
      const [container] = containers
      assert.notInclude([undefined, "latest"], container.image.split(":")[1])
      const ports: ReadonlyArray<{ readonly name: string }> = container.ports
      const services = ofKind(manifests, "Service")
      for (const service of services) {
        assert.isTrue(isSubset(service.spec.selector, labels), service.metadata.name)
        for (const { targetPort } of service.spec.ports)
          assert.include(
            ports.map(({ name }) => name),
            targetPort
          )
      }
      for (const { spec: budget } of ofKind(manifests, "PodDisruptionBudget"))
        assert.deepStrictEqual(budget.selector.matchLabels, spec.selector.matchLabels)
      const [secret] = ofKind(manifests, "Secret")
      assert.include(Object.keys(secret.data), "config.json")
      assert.isTrue(
        volumes.some(
          (volume: { secret?: { secretName: string } }) => volume.secret?.secretName === secret.metadata.name
        )
      )
      for (const { spec: monitor } of ofKind(manifests, "ServiceMonitor")) {
        const found = services.filter(({ metadata }: Manifest) =>
          isSubset(monitor.selector.matchLabels, metadata["labels"] ?? {})
        )
        // One, or each compute were scraped twice; and of all computes, the free, the taken and the single.
        assert.lengthOf(found, 1)
        assert.deepStrictEqual(found[0].spec.selector, { app: "compute" })
        assert.isTrue(found[0].spec.publishNotReadyAddresses)
        for (const { port } of monitor.endpoints)
          assert.include(
            found[0].spec.ports.map(({ name }: { name: string }) => name),
            port
          )
      }
    })

    it.skipIf(!hasKustomize)(`of ${overlay} are those of kubectl's kustomize`, () => {
      const made = spawnSync("kubectl", ["kustomize", path.join(folder, "overlays", overlay)], { encoding: "utf8" })
      assert.strictEqual(made.status, 0, made.stderr)
      const theirs = parseAllDocuments(made.stdout).map((document) => document.toJS())
      // Its hash is another, and base64 in lines of 70.
      const text = (value: unknown) =>
        JSON.stringify(value, (_, member) =>
          typeof member !== "string"
            ? member
            : member.includes("\n")
              ? member.replaceAll("\n", "")
              : member.replace(/(compute-config(?:-pool)?)-[a-z0-9]{10}$/, `$1${HASH}`)
        )
      const byName = (manifests: ReadonlyArray<Manifest>) =>
        new Map(
          manifests.map((manifest): [string, unknown] => {
            const { kind, metadata }: Manifest = JSON.parse(text(manifest))
            return [`${kind} ${metadata.name}`, JSON.parse(text(manifest))]
          })
        )
      assert.deepStrictEqual(byName(rendered(overlay)), byName(theirs))
    })
  }

  const [single] = ofKind(rendered("single"), "Deployment")
  const changed = (change: (deployment: typeof single) => void) => {
    const copy = structuredClone(single)
    change(copy)
    return faults(copy)
  }
  const container = "/spec/template/spec/containers/0"
  for (const [what, change, fault] of [
    [
      "misspelt member",
      (it) => {
        it.spec.template.spec.containers[0].livenesProbe = {}
      },
      `${container}: must NOT have additional properties (livenesProbe)`
    ],
    [
      "wrong type",
      (it) => {
        it.spec.replicas = "1"
      },
      "/spec/replicas: must be integer"
    ],
    [
      "word for a boolean",
      (it) => {
        it.spec.template.spec.automountServiceAccountToken = "no"
      },
      "/spec/template/spec/automountServiceAccountToken: must be boolean"
    ],
    [
      "quantity that is none",
      (it) => {
        it.spec.template.spec.containers[0].resources.limits.memory = "1GiB"
      },
      `${container}/resources/limits/memory: must match pattern`
    ],
    [
      "member that is missing",
      (it) => {
        delete it.spec.template.spec.containers[0].volumeMounts[0].mountPath
      },
      `${container}/volumeMounts/0: must have required property 'mountPath'`
    ],
    [
      "kind that is not known",
      (it) => {
        it.kind = "Deploymint"
      },
      "no kind apps/v1 Deploymint is known"
    ],
    [
      "version that the kind has no more",
      (it) => {
        it.apiVersion = "extensions/v1beta1"
      },
      "no kind extensions/v1beta1 Deployment is known"
    ]
  ] satisfies ReadonlyArray<readonly [string, (deployment: typeof single) => void, string]>) {
    it(`do not pass with a ${what}`, () => {
      assert.include(changed(change).join("\n"), fault)
    })
  }

  it("of the Prometheus operator do not pass with a misspelt member or a duration that is none", () => {
    const [monitor] = ofKind(rendered("monitored-pool"), "ServiceMonitor")
    const { spec } = monitor
    const found = [
      ...faults({ ...monitor, spec: { ...spec, jobLable: "app" } }),
      ...faults({ ...monitor, spec: { ...spec, endpoints: [{ ...spec.endpoints[0], interval: "15 seconds" }] } })
    ].join("\n")
    assert.include(found, "/spec: must NOT have additional properties (jobLable)")
    assert.include(found, "/spec/endpoints/0/interval: must match pattern")
  })

  it("come from a kustomization of known members, whose patches find what they are for", () => {
    const at = path.join(folder, "overlays", "single")
    const kustomization = monitored("single")
    assert.throws(() => render(at, JSON.parse(JSON.stringify({ ...kustomization, patchs: [] }))), "patchs")
    write("overlays/single/lost.yaml", stringify({ ...single, metadata: { name: "compuet" } }))
    assert.throws(() => render(at, { ...kustomization, patches: [{ path: "lost.yaml" }] }), "compuet to patch")
  })
})
