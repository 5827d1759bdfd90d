/**
 * A namespace of its own on the cluster that KUBECONFIG names, with the manifests of `deploy/kubernetes` and what they need:
 * a pod with emulated storage, and one that is the control plane. Needs `kubectl` (KUBECTL: how it is called) and an image
 * that the nodes have or can pull (IMAGE, else `compute_ctl:dev`). Names are not resolved: a cluster may have no DNS.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { stringify } from "yaml"
import { jwks } from "../rig/tokens.ts"

const root = path.resolve(import.meta.dirname, "../..")
const IMAGE = process.env["IMAGE"] ?? "compute_ctl:dev"
const command = process.env["KUBECTL"]?.split(" ") ?? ["kubectl"]

const isAsked = process.env["TEST_FLEET"] !== undefined
export const isWanted = isAsked && process.env["KUBECONFIG"] !== undefined
if (isAsked && !isWanted) console.warn("skipped: KUBECONFIG names no cluster, no manifest is applied")

const start = (args: ReadonlyArray<string>): ChildProcess => {
  const [program = "", ...flags] = command
  return spawn(program, [...flags, ...args], { stdio: ["pipe", "pipe", "pipe"] })
}

interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const finished = (child: ChildProcess, input = ""): Promise<Said> =>
  new Promise((resolve, reject) => {
    const said = { stdout: "", stderr: "" }
    child.stdout?.on("data", (chunk) => {
      said.stdout += chunk
    })
    child.stderr?.on("data", (chunk) => {
      said.stderr += chunk
    })
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, ...said }))
    child.stdin?.on("error", () => {})
    child.stdin?.end(input)
  })

const security = {
  runAsNonRoot: true,
  runAsUser: 999,
  runAsGroup: 999,
  fsGroup: 999,
  seccompProfile: { type: "RuntimeDefault" }
}
const contained = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } }
const few = { requests: { cpu: "10m", memory: "64Mi" } }

const pod = (name: string, args: ReadonlyArray<string>, probe?: object) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { app: name } },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    // They stay when a suite takes the node away from others.
    tolerations: [{ operator: "Exists" }],
    securityContext: security,
    containers: [
      {
        name,
        image: IMAGE,
        imagePullPolicy: "IfNotPresent",
        command: ["/usr/bin/tini", "--", ...args],
        securityContext: contained,
        resources: few,
        ...(probe !== undefined && { readinessProbe: probe }),
        volumeMounts: ["/tmp", "/neon/cache", "/run/postgresql"].map((mountPath, at) => ({ name: `v${at}`, mountPath }))
      }
    ],
    volumes: [0, 1, 2].map((at) => ({ name: `v${at}`, emptyDir: {} }))
  }
})

const ports = { safekeepers: 5454, pageserver: 6400, control: 7000 }
const storagePorts = [ports.safekeepers, ports.safekeepers + 1, ports.safekeepers + 2, ports.pageserver, ports.control]
const timeline = {
  tenant_id: "1f7e3c2a9b0d4e5f8a6b7c8d9e0f1a2b",
  timeline_id: "8c5d2e1f0a9b4c3d7e6f5a4b3c2d1e0f"
}

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface Pod {
  readonly name: string
  readonly uid: string
  readonly ip: string
  readonly isReady: boolean
  readonly isLeaving: boolean
  /** What its startup probe says. */
  readonly started: boolean
  readonly restarts: number
  readonly labels: Readonly<Record<string, string>>
}

interface PodDocument {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly deletionTimestamp?: string
    readonly labels: Readonly<Record<string, string>>
  }
  readonly status: {
    readonly podIP?: string
    readonly containerStatuses?: ReadonlyArray<{
      readonly ready: boolean
      readonly started?: boolean
      readonly restartCount: number
    }>
  }
}

export const makeCluster = async (what: string) => {
  const namespace = `compute-test-${what}-${process.pid}`
  const folder = fs.mkdtempSync(path.join(tmpdir(), "fleet-"))
  fs.cpSync(path.join(root, "deploy/kubernetes"), folder, { recursive: true })

  const tried = (...args: ReadonlyArray<string>) => finished(start(["-n", namespace, ...args]))
  const succeeded = async (args: ReadonlyArray<string>, input?: string) => {
    const { code, stderr, stdout } = await finished(start(["-n", namespace, ...args]), input)
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${code}\n${stdout}${stderr}`)
    return stdout
  }
  const kubectl = (...args: ReadonlyArray<string>) => succeeded(args)
  const apply = (...items: ReadonlyArray<object>) =>
    succeeded(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }))

  /** Until it is so; else what `complaint` has to say. */
  const eventually = async (isSo: () => Promise<boolean>, complaint: () => Promise<string>, seconds = 120) => {
    const end = Date.now() + seconds * 1000
    for (;;) {
      if (await isSo()) return
      if (Date.now() > end) throw new Error(await complaint())
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  }
  const everything = async () =>
    `${await kubectl("get", "pods,endpoints", "-o", "wide")}${(await kubectl("get", "events")).slice(-4000)}`

  const pods = async (selector: string): Promise<ReadonlyArray<Pod>> => {
    const { items }: { items: ReadonlyArray<PodDocument> } = JSON.parse(
      await kubectl("get", "pods", "-l", selector, "-o", "json")
    )
    return items.map(({ metadata, status }) => {
      const [container] = status.containerStatuses ?? []
      return {
        name: metadata.name,
        uid: metadata.uid,
        ip: status.podIP ?? "",
        isReady: container?.ready ?? false,
        isLeaving: metadata.deletionTimestamp !== undefined,
        started: container?.started ?? false,
        restarts: container?.restartCount ?? 0,
        labels: metadata.labels
      }
    })
  }

  /** An overlay on an overlay of this project: namespace, image and few resources, and a file beside the first. */
  const overlay = async (name: string, files: Readonly<Record<string, object>>, patch: object = {}) => {
    for (const [file, content] of Object.entries(files))
      fs.writeFileSync(path.join(folder, "overlays", name, file), JSON.stringify(content))
    const at = path.join(folder, "overlays", `test-${name}`)
    fs.mkdirSync(at, { recursive: true })
    const [newName = "", newTag = ""] = IMAGE.split(/:(?=[^:/]+$)/)
    const small = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: name === "pool" ? "compute-pool" : "compute" },
      spec: {
        template: {
          spec: { containers: [{ name: "compute", resources: { requests: { cpu: "50m", memory: "256Mi" } } }] }
        }
      }
    }
    fs.writeFileSync(
      path.join(at, "kustomization.yaml"),
      stringify({
        apiVersion: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        namespace,
        resources: [`../${name}`],
        images: [{ name: "compute_ctl", newName, newTag }],
        patches: [
          { patch: JSON.stringify(small) },
          ...(Object.keys(patch).length > 0 ? [{ patch: JSON.stringify(patch) }] : [])
        ]
      })
    )
    return at
  }

  /** A request of the control plane's pod. */
  const request = async (
    address: string,
    line: string,
    { body, token }: { readonly body?: string; readonly token?: string } = {}
  ): Promise<Answer> => {
    const [host = "", port = ""] = address.split(":")
    const head = [
      `${line} HTTP/1.1`,
      "Host: compute",
      "Connection: close",
      "Content-Type: application/json",
      ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
      `Content-Length: ${Buffer.byteLength(body ?? "")}`
    ].join("\r\n")
    const relay = 'exec 3<>"/dev/tcp/$0/$1" && cat >&3 && timeout 120 cat <&3'
    const said = await succeeded(
      ["exec", "-i", "control-plane", "--", "/bin/bash", "-c", relay, host, port],
      `${head}\r\n\r\n${body ?? ""}`
    )
    const end = said.indexOf("\r\n\r\n")
    return { status: Number(said.split(" ", 2)[1]), body: said.slice(end + 4) }
  }

  const psql = (host: string, text: string) =>
    tried(
      ...["exec", "control-plane", "--", "psql", "-Atc", text],
      `host=${host} port=5432 user=app password=app dbname=app connect_timeout=5`
    )
  const sql = async (host: string, text: string) => {
    const { code, stderr, stdout } = await psql(host, text)
    if (code !== 0) throw new Error(stderr)
    return stdout.trim()
  }

  const address = async (service: string) =>
    (await kubectl("get", "service", service, "-o", "jsonpath={.spec.clusterIP}")).trim()

  await apply({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace, labels: { "pod-security.kubernetes.io/enforce": "restricted" } }
  })
  const close = async () => {
    await kubectl("delete", "namespace", namespace, "--timeout=120s")
    fs.rmSync(folder, { recursive: true, force: true })
  }
  try {
    await apply(
      pod("control-plane", ["/usr/bin/sleep", "infinity"]),
      pod(
        "storage",
        [
          ...["/usr/local/bin/compute_ctl", "emulate", "--host=0.0.0.0", "--dir=/neon/cache/emulated"],
          ...[`--port-safekeepers=${ports.safekeepers}`, `--port-pageservers=${ports.pageserver}`],
          ...[`--control-port=${ports.control}`, `--tenant-id=${timeline.tenant_id}`],
          `--timeline-id=${timeline.timeline_id}`
        ],
        { tcpSocket: { port: ports.pageserver }, periodSeconds: 1 }
      ),
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "storage" },
        spec: {
          selector: { app: "storage" },
          ports: storagePorts.map((port) => ({ name: `p${port}`, port }))
        }
      }
    )
    await kubectl("wait", "--for=condition=Ready", "pod/storage", "pod/control-plane", "--timeout=120s")
  } catch (error) {
    await close()
    throw error
  }

  const storage = await address("storage")
  const keys = { compute_ctl_config: { jwks: jwks() } }
  const { spec } = JSON.parse(fs.readFileSync(path.join(root, "deploy/config.dev.json"), "utf8"))
  const config = {
    ...keys,
    spec: {
      ...spec,
      ...timeline,
      pageserver_connstring: `postgresql://no_user@${storage}:${ports.pageserver}`,
      safekeeper_connstrings: [0, 1, 2].map((number) => `${storage}:${ports.safekeepers + number}`)
    }
  }

  return {
    address,
    apply,
    close,
    config,
    eventually,
    /** As a drain asks for it: 201, or 429 when the budget does not allow it now. */
    evict: (name: string) =>
      finished(
        start(["create", "--raw", `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, "-f", "-"]),
        JSON.stringify({ apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } })
      ),
    everything,
    /** Faults of the storage; none, to end them. */
    faults: async (...faults: ReadonlyArray<object>) => {
      const { status } = await request(`${storage}:${ports.control}`, "PUT /faults", { body: JSON.stringify(faults) })
      if (status !== 200) throw new Error(`PUT /faults: ${status}`)
    },
    /** A configuration without a spec. */
    keys,
    kubectl,
    /** What a pod says until it ends. */
    logged: (name: string) => finished(start(["-n", namespace, "logs", "--follow", name])),
    overlay,
    pods,
    psql,
    request,
    sql,
    tried
  }
}

export type Cluster = Awaited<ReturnType<typeof makeCluster>>
