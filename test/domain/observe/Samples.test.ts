import { assert, it } from "@effect/vitest"
import { samplesOf, total } from "../../../src/domain/observe/Samples.ts"

it("metrics are taken apart", () => {
  const text = '# HELP a b\na{x="1",y="a\\"b"} 2\na{x="2"} 3\nb 1e3\n'
  const samples = samplesOf(text)
  assert.deepStrictEqual(samples[0], { name: "a", labels: { x: "1", y: 'a"b' }, value: 2 })
  assert.deepStrictEqual([total(samples, "a"), total(samples, "a", { x: "2" }), total(samples, "b")], [5, 3, 1000])
  assert.isNull(total(samples, "c"))
})
