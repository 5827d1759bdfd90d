/** The overlays `single` and `vertical`: one compute with its configuration, on a real cluster. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type Cluster, isWanted, makeCluster } from "./cluster.ts"

/** Of the manifest. */
const GRACE = 45
const FEW_PROBES = 8

describe.skipIf(!isWanted)("a single compute on Kubernetes (needs KUBECONFIG)", () => {
  let cluster: Cluster
  let service = ""
  beforeAll(async () => {
    cluster = await makeCluster("single")
  }, 300_000)
  afterAll(() => cluster?.close(), 180_000)

  const selector = "app=compute,fleet=single"
  const one = async () => {
    const [pod, ...others] = (await cluster.pods(selector)).filter(({ isLeaving }) => !isLeaving)
    assert.isEmpty(others)
    assert.isDefined(pod)
    return pod
  }
  const untilReady = async (isOther = "") => {
    await cluster.eventually(
      async () => (await cluster.pods(selector)).some((pod) => pod.isReady && !pod.isLeaving && pod.uid !== isOther),
      cluster.everything
    )
    return one()
  }
  const inside = (script: string) =>
    cluster.kubectl("exec", "deployment/compute", "-c", "compute", "--", "/bin/bash", "-c", script)

  it("is taken by a namespace that allows nothing but restricted pods, gets ready, and serves its Service", async () => {
    const at = await cluster.overlay("single", { "config.json": cluster.config })
    await cluster.kubectl("apply", "-k", at)
    await cluster.kubectl("rollout", "status", "deployment/compute", "--timeout=120s")
    service = await cluster.address("compute")
    // The database of the spec: who is ready has made it.
    assert.strictEqual(await cluster.sql(service, "SELECT current_database()"), "app")
    const told = JSON.parse(await cluster.kubectl("get", "networkpolicy,pdb", "-o", "json"))
    assert.lengthOf(told.items, 2)
  }, 300_000)

  it("runs as an account without rights on a root that is read only", async () => {
    const status = await inside("cat /proc/self/status; id -u; touch /usr/somewhere 2>&1 || true")
    assert.match(status, /^CapEff:\s+0+$/m)
    assert.match(status, /^CapBnd:\s+0+$/m)
    assert.match(status, /^NoNewPrivs:\s+1$/m)
    assert.match(status, /^Seccomp:\s+2$/m)
    assert.match(status, /^999$/m)
    assert.include(status, "Read-only file system")
  })

  it("is not asked for as an image that the node has", async () => {
    const { spec } = JSON.parse(await cluster.kubectl("get", "deployment", "compute", "-o", "json"))
    assert.strictEqual(spec.template.spec.containers[0].imagePullPolicy, "IfNotPresent")
  })

  it("stops in order within its grace, though a client is busy; the next one comes after it", async () => {
    const before = await one()
    const log = cluster.logged(before.name)
    const busy = cluster.psql(service, "SELECT pg_sleep(600)")
    await cluster.eventually(
      async () =>
        (await cluster.sql(service, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(6%'")) === "2",
      cluster.everything
    )
    const asked = Date.now()
    await cluster.kubectl("delete", "pod", before.name, "--timeout=60s")
    assert.isBelow(Date.now() - asked, GRACE * 1000)
    assert.include((await log).stdout, "database system is shut down")
    assert.notStrictEqual((await busy).code, 0)
    await untilReady(before.uid)
    assert.strictEqual(await cluster.sql(service, "SELECT 1"), "1")
  }, 300_000)

  it("whose supervisor is killed starts again on the same volumes", async () => {
    const before = await one()
    await inside(
      'for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" != /usr/local/bin/compute_ctl ] || kill -9 $(basename $p); done'
    )
    await cluster.eventually(async () => (await one()).restarts === before.restarts + 1, cluster.everything)
    const after = await untilReady()
    assert.strictEqual(after.uid, before.uid)
    assert.strictEqual(after.restarts, before.restarts + 1)
    assert.strictEqual(await cluster.sql(service, "SELECT 1"), "1")
  }, 300_000)

  it("whose postmaster is killed serves again", async () => {
    await inside("kill -9 $(head -1 /var/db/postgres/compute/pgdata/postmaster.pid)")
    await cluster.eventually(async () => (await cluster.psql(service, "SELECT 1")).code === 0, cluster.everything)
  }, 300_000)

  it("whose start hangs is neither started nor ready, and is ended by its startup probe", async () => {
    const before = await one()
    await cluster.faults({ peer: "pageserver", match: "basebackup", action: { do: "silence" } })
    const patch = {
      spec: {
        template: { spec: { containers: [{ name: "compute", startupProbe: { failureThreshold: FEW_PROBES } }] } }
      }
    }
    await cluster.kubectl("patch", "deployment", "compute", "--patch", JSON.stringify(patch))
    await cluster.eventually(
      async () => (await cluster.pods(selector)).some(({ isLeaving, uid }) => uid !== before.uid && !isLeaving),
      cluster.everything
    )
    const pod = await one()
    await cluster.eventually(async () => {
      const now = await one()
      assert.isFalse(now.started || now.isReady)
      return now.restarts > 0
    }, cluster.everything)
    const events = await cluster.kubectl("get", "events", "--field-selector", `involvedObject.name=${pod.name}`)
    assert.match(events, /failed startup probe/)
    assert.notStrictEqual((await cluster.psql(service, "SELECT 1")).code, 0)
    await cluster.faults()
    await cluster.kubectl("rollout", "undo", "deployment/compute")
    await untilReady(pod.uid)
    assert.strictEqual(await cluster.sql(service, "SELECT 1"), "1")
  }, 400_000)

  it("may be evicted by a drain, and comes back", async () => {
    const before = await one()
    const { code, stderr } = await cluster.evict(before.name)
    assert.strictEqual(code, 0, stderr)
    await untilReady(before.uid)
    assert.strictEqual(await cluster.sql(service, "SELECT 1"), "1")
  }, 300_000)

  it("is replaced with never two of them at once: one writer", async () => {
    const before = await one()
    await cluster.kubectl("rollout", "restart", "deployment/compute")
    const rolled = cluster.tried("rollout", "status", "deployment/compute", "--timeout=150s")
    let isDone = false
    void rolled.then(() => {
      isDone = true
    })
    while (!isDone) assert.isAtMost((await cluster.pods(selector)).length, 1)
    assert.strictEqual((await rolled).code, 0, await cluster.everything())
    assert.notStrictEqual((await one()).uid, before.uid)
    assert.strictEqual(await cluster.sql(service, "SELECT 1"), "1")
  }, 300_000)

  it("of the overlay `vertical` is resized while it runs, where the cluster can", async ({ skip }) => {
    const at = await cluster.overlay("vertical", {})
    await cluster.kubectl("apply", "-k", at)
    await cluster.kubectl("rollout", "status", "deployment/compute", "--timeout=150s")
    assert.strictEqual(await cluster.sql(service, "SELECT 1"), "1")
    const { minor } = JSON.parse(await cluster.kubectl("get", "--raw", "/version"))
    skip(Number.parseInt(minor, 10) < 33, "resizing in place is of Kubernetes 1.33 and newer")
    const before = await one()
    const patch = { spec: { containers: [{ name: "compute", resources: { limits: { cpu: "3" } } }] } }
    await cluster.kubectl("patch", "pod", before.name, "--subresource", "resize", "--patch", JSON.stringify(patch))
    await cluster.eventually(async () => {
      const { status } = JSON.parse(await cluster.kubectl("get", "pod", before.name, "-o", "json"))
      return status.containerStatuses[0].resources?.limits?.cpu === "3"
    }, cluster.everything)
    assert.strictEqual((await one()).restarts, before.restarts)
  }, 300_000)
})
