import { assert, describe, it } from "@effect/vitest"
import { attachedLabels, livenessTarget } from "../../../src/domain/spec/Lakebase.ts"
import { spec } from "../../programs/fakes.ts"

const instance = { lakebaseMode: true, computeId: "compute-1/pod", instanceId: null as string | null }
describe("lakebase mode", () => {
  it("says that it is attached when it is an instance with a spec", () => {
    const labels = attachedLabels({ ...instance, instanceId: "i-1" }, spec())
    assert.deepStrictEqual(labels, {
      pg_compute_id: "compute-1/pod",
      pg_instance_id: "i-1",
      tenant_id: "b0554b632bd4d547a63b86c3630317e8",
      timeline_id: "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
    })
    assert.isNull(attachedLabels({ ...instance, instanceId: "i-1" }, null))
    assert.isNull(attachedLabels(instance, spec()))
  })

  it("asks the port of the connection string", () => {
    assert.deepStrictEqual(livenessTarget("postgresql://cloud_admin@127.0.0.1:5432/postgres"), {
      port: 5432,
      user: "cloud_admin",
      database: "postgres"
    })
    assert.deepInclude(livenessTarget("postgres://a:b@/db?host=/tmp&port=6000"), { port: 6000, database: "db" })
    assert.strictEqual(livenessTarget("postgresql://[::1]:77/x")?.port, 77)
    assert.isNull(livenessTarget("postgresql://cloud_admin@localhost/postgres"))
  })
})
