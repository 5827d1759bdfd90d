import { assert, describe, it } from "@effect/vitest"
import { childEnvironment } from "../../src/domain/ChildEnvironment.ts"

describe("the environment of a child", () => {
  it("has what it needs and what is added, and no secret of ours", () => {
    const own = {
      PATH: "/bin",
      LD_LIBRARY_PATH: "/lib",
      AUTOSCALING: "",
      NEON_CONTROL_PLANE_TOKEN: "x",
      PGBOUNCER_PASSWORD: "x",
      COMPUTE_CTL_TOKEN: "x",
      OTEL_EXPORTER_OTLP_HEADERS: "x",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x",
      FAILPOINTS: "x",
      NODE_OPTIONS: "x"
    }
    assert.deepStrictEqual(childEnvironment(own, { NEON_AUTH_TOKEN: "t", PATH: "/other" }), {
      PATH: "/other",
      LD_LIBRARY_PATH: "/lib",
      AUTOSCALING: "",
      NEON_AUTH_TOKEN: "t"
    })
  })
})
