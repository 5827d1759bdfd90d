import { assert, describe, it } from "@effect/vitest"
import { childEnvironment } from "../../../src/domain/postgres/ChildEnvironment.ts"

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
      NODE_OPTIONS: "x",
      OPENSSL_CONF: "x",
      OPENSSL_MODULES: "x",
      LD_PRELOAD: "x",
      LD_AUDIT: "x"
    }
    assert.deepStrictEqual(childEnvironment(own, { NEON_AUTH_TOKEN: "t", PATH: "/other" }), {
      PATH: "/other",
      LD_LIBRARY_PATH: "/lib",
      AUTOSCALING: "",
      NEON_AUTH_TOKEN: "t"
    })
  })

  it("has nothing that libpq or the server would read, but what is added and what keeps the server from the killer", () => {
    const own = Object.fromEntries(
      [
        ...[
          "PGHOST",
          "PGHOSTADDR",
          "PGPORT",
          "PGDATABASE",
          "PGUSER",
          "PGPASSWORD",
          "PGPASSFILE",
          "PGSERVICE",
          "PGOPTIONS"
        ],
        ...["PGSERVICEFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGREQUIREAUTH", "PGTARGETSESSIONATTRS", "PGCLIENTENCODING"],
        ...[
          "PGDATESTYLE",
          "PGTZ",
          "PGDATA",
          "PG_GRANDPARENT_PID",
          "PG_COLOR",
          "PGBOUNCER_PASSWORD",
          "POSTGRES_PASSWORD"
        ],
        ...["POSTGRES_PATH", "PG_OOM_ADJUST_FILE", "PG_OOM_ADJUST_VALUE", "PG_OOM_ADJUST_FILES", "TZ", "LANG"]
      ].map((name) => [name, "x"])
    )
    const left = ["LANG", "PGDATA", "PG_OOM_ADJUST_FILE", "PG_OOM_ADJUST_VALUE", "TZ"]
    assert.deepStrictEqual(Object.keys(childEnvironment(own, { PGDATA: "/data" })).toSorted(), left)
  })
})
