/** The overlay `pool`: computes that wait for a spec, on a real cluster. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { adminToken, sign } from "../rig/tokens.ts"
import { type Cluster, isWanted, makeCluster } from "./cluster.ts"

const SIZE = 4
const ENDPOINT = "endpoint=ep-calm-reef-11223344"
const free = "app=compute,fleet=free"
const taken = "app=compute,fleet=taken"

describe.skipIf(!isWanted)("a pool on Kubernetes (needs KUBECONFIG)", () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await makeCluster("pool")
  }, 300_000)
  afterAll(() => cluster?.close(), 180_000)

  const ready = async () => (await cluster.pods(free)).filter(({ isLeaving, isReady }) => isReady && !isLeaving)
  /** As the Service names them. */
  const offered = async () => {
    const { subsets = [] } = JSON.parse(await cluster.kubectl("get", "endpoints", "compute-pool", "-o", "json"))
    const found: ReadonlyArray<{ readonly addresses?: ReadonlyArray<unknown> }> = subsets
    return found.flatMap(({ addresses = [] }) => addresses).length
  }
  const untilFull = (size = SIZE) =>
    cluster.eventually(async () => (await ready()).length === size && (await offered()) === size, cluster.everything)
  /** The label's change is what takes it: `deploy/README.md`. */
  const take = (name: string) => {
    const at = { path: "/metadata/labels/fleet" }
    const patch = [
      { op: "test", ...at, value: "free" },
      { op: "replace", ...at, value: "taken" }
    ]
    return cluster.tried("patch", "pod", name, "--type=json", "--patch", JSON.stringify(patch))
  }
  const configure = (ip: string, token: string) =>
    cluster.request(`${ip}:3080`, "POST /configure", { token, body: JSON.stringify(cluster.config) })

  it("is full of members that are ready for a spec, and its Service finds them all", async () => {
    const patch = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "compute-pool" },
      spec: { replicas: SIZE }
    }
    await cluster.kubectl("apply", "-k", await cluster.overlay("pool", { "pool.json": cluster.keys }, patch))
    await cluster.kubectl("rollout", "status", "deployment/compute-pool", "--timeout=200s")
    await untilFull()
    const [first] = await ready()
    const answer = await cluster.request(`${first?.ip}:3080`, "GET /readyz")
    assert.strictEqual(answer.status, 503)
  }, 400_000)

  it("gives one away: it serves its endpoint, nobody else gets it, and another takes its place", async () => {
    const [member, other] = await ready()
    assert.isDefined(member)
    assert.isDefined(other)
    await cluster.apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "endpoint" },
      spec: { selector: { endpoint: "ep-calm-reef-11223344" }, ports: [{ port: 5432 }] }
    })
    // Two that try at once: one of them has it.
    const tries = await Promise.all([take(member.name), take(member.name)])
    assert.sameMembers(
      tries.map(({ code }) => code === 0),
      [true, false]
    )
    const [answer, wrong] = await Promise.all([
      configure(member.ip, sign({ compute_id: member.name })),
      // The token of one is of no use at another.
      configure(other.ip, sign({ compute_id: member.name }))
    ])
    assert.deepStrictEqual([answer.status, wrong.status], [200, 403], `${answer.body}${wrong.body}`)
    await cluster.kubectl("label", "pod", member.name, ENDPOINT)
    await untilFull()
    const service = await cluster.address("endpoint")
    await cluster.eventually(async () => (await cluster.psql(service, "SELECT 1")).code === 0, cluster.everything)
    assert.strictEqual(await cluster.sql(service, "SELECT current_database()"), "app")
    assert.isTrue((await cluster.pods(taken)).every(({ isReady }) => isReady))
    assert.notInclude(
      (await ready()).map(({ uid }) => uid),
      member.uid
    )
  }, 300_000)

  it("is rolled out without a gap in the Service, and without the one that was taken", async () => {
    const [served] = await cluster.pods(taken)
    const before = await ready()
    await cluster.kubectl("rollout", "restart", "deployment/compute-pool")
    const rolled = cluster.tried("rollout", "status", "deployment/compute-pool", "--timeout=200s")
    let isDone = false
    void rolled.then(() => {
      isDone = true
    })
    while (!isDone) assert.isAtLeast(await offered(), SIZE)
    assert.strictEqual((await rolled).code, 0, await cluster.everything())
    await untilFull()
    const after = (await ready()).map(({ uid }) => uid)
    assert.isEmpty(before.filter(({ uid }) => after.includes(uid)))
    const [still] = await cluster.pods(taken)
    assert.deepStrictEqual([still?.uid, still?.restarts], [served?.uid, 0])
  }, 400_000)

  it("is drained by a quarter at a time", async () => {
    const [first, second] = await ready()
    const allowed = await cluster.evict(first?.name ?? "")
    assert.strictEqual(allowed.code, 0, allowed.stderr)
    const refused = await cluster.evict(second?.name ?? "")
    assert.notStrictEqual(refused.code, 0)
    assert.match(refused.stderr, /disruption budget/)
    await untilFull()
  }, 300_000)

  it("grows and shrinks by free members alone", async () => {
    const [served] = await cluster.pods(taken)
    for (const size of [SIZE + 2, 1]) {
      await cluster.kubectl("scale", "deployment/compute-pool", `--replicas=${size}`)
      await untilFull(size)
    }
    const [still] = await cluster.pods(taken)
    assert.strictEqual(still?.uid, served?.uid)
    assert.strictEqual(await cluster.sql(await cluster.address("endpoint"), "SELECT 1"), "1")
  }, 400_000)

  // Everything but the suite's own pods has to go, also what others have there.
  it.skipIf(process.env["TEST_FLEET_NODE"] === undefined)(
    "is full again, and without the one that was taken, when its node comes back (needs TEST_FLEET_NODE)",
    async () => {
      const before = await cluster.pods("app=compute")
      const told = await cluster.kubectl("get", "nodes", "-o", "name")
      const nodes = told.trim().replaceAll("node/", "").split("\n")
      await cluster.kubectl("taint", "--overwrite", "nodes", ...nodes, "compute-test=lost:NoExecute")
      try {
        await cluster.eventually(async () => {
          const left = (await cluster.pods("app=compute")).map(({ uid }) => uid)
          return (await offered()) === 0 && before.every(({ uid }) => !left.includes(uid))
        }, cluster.everything)
      } finally {
        await cluster.kubectl("taint", "nodes", ...nodes, "compute-test-")
      }
      await cluster.eventually(async () => (await ready()).length > 0, cluster.everything)
      assert.isEmpty(await cluster.pods(taken))
      const [member] = await ready()
      assert.strictEqual((await take(member?.name ?? "")).code, 0)
      const answer = await configure(member?.ip ?? "", adminToken())
      assert.strictEqual(answer.status, 200, answer.body)
      await cluster.kubectl("label", "pod", member?.name ?? "", ENDPOINT)
      const service = await cluster.address("endpoint")
      await cluster.eventually(async () => (await cluster.psql(service, "SELECT 1")).code === 0, cluster.everything)
    },
    300_000
  )

  it("has a taken member back as an empty one after its end, which the control plane sees", async () => {
    const [member] = await cluster.pods(taken)
    assert.isDefined(member)
    const answer = await cluster.request(`${member.ip}:3080`, "POST /terminate", { token: adminToken() })
    assert.strictEqual(answer.status, 200, answer.body)
    const status = async () => {
      const said = await cluster.request(`${member.ip}:3080`, "GET /status", { token: adminToken() })
      return JSON.parse(said.body).status
    }
    await cluster.eventually(
      async () => (await cluster.pods(taken)).some(({ isReady, restarts }) => restarts === 1 && isReady),
      cluster.everything
    )
    assert.strictEqual(await status(), "empty")
    await cluster.kubectl("delete", "pod", member.name, "--timeout=60s")
  }, 300_000)
})
