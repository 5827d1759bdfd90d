import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { render, type Sample } from "../../../src/domain/observe/Exposition.ts"
import * as Families from "../../../src/domain/observe/MetricFamilies.ts"
import { parseExposition } from "../../rig/strictExposition.ts"

const gauge = (samples: ReadonlyArray<Sample>) => render(Families.installedExtensions, samples)

describe("Exposition", () => {
  it("sorts labels by name and samples by labels, and ends every line", () => {
    const labels = (version: string) => ({ version, extension_name: "plpgsql", owned_by_superuser: "1" })
    assert.deepStrictEqual(
      gauge([
        { labels: labels("1.1"), value: 2 },
        { labels: labels("1.0"), value: 3 }
      ]).split("\n"),
      [
        "# HELP compute_installed_extensions Databases in which an extension is installed, by version and ownership",
        "# TYPE compute_installed_extensions gauge",
        'compute_installed_extensions{extension_name="plpgsql",owned_by_superuser="1",version="1.0"} 3',
        'compute_installed_extensions{extension_name="plpgsql",owned_by_superuser="1",version="1.1"} 2',
        ""
      ]
    )
  })

  it("leaves a family without samples out, head included", () => {
    assert.strictEqual(gauge([]), "")
  })

  it("survives any label value and any number under the strict parser", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.double(), (name, value) => {
        const [family] = parseExposition(gauge([{ labels: { extension_name: name }, value }]))
        const sample = family?.samples[0]
        assert.strictEqual(sample?.labels["extension_name"], name)
        assert.strictEqual(Object.is(sample?.value, value) || (value === 0 && sample?.value === 0), true)
      })
    )
  })

  it("gives of a summary the sum and the number of what was summed up", () => {
    const labels = { code: "200", method: "GET", route: "/status", server: "external" }
    const text = render(Families.httpRequestSeconds, [{ labels, value: 9.25, count: 6 }])
    assert.deepStrictEqual(
      parseExposition(text)[0]?.samples.map(({ name, value }) => [name, value]),
      [
        ["compute_ctl_http_request_seconds_sum", 9.25],
        ["compute_ctl_http_request_seconds_count", 6]
      ]
    )
  })

  it("knows every family of the original, with its type and labels, in its order", () => {
    const golden = readFileSync(new URL("../../golden/http/metrics.txt", import.meta.url), "utf8")
    const recorded = parseExposition(golden.replace(/^# TYPE (\S+) /gm, "# HELP $1 x\n# TYPE $1 "))
    const ours = recorded.map(({ name }) => Families.families.findIndex((family) => family.name === name))
    assert.deepStrictEqual(
      ours,
      [...ours].sort((a, b) => a - b)
    )
    for (const { name, type, samples } of recorded) {
      const family = Families.families.find((candidate) => candidate.name === name)
      assert.strictEqual(family?.type, type)
      for (const sample of samples) assert.deepStrictEqual(sample.labelNames, [...(family?.labels ?? [])].sort())
    }
  })

  it("puts what is new after the original's families, under names of its own", () => {
    const names = Families.families.map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
    for (const { name, type } of Families.families.slice(15)) {
      assert.match(name, /^compute_ctl_|^process_start_time_seconds$/)
      if (type === "counter") assert.match(name, /_total$/)
    }
  })
})
