/**
 * Documents of a spec: whatever the text, it is decoded or refused at once and in few words, and all who look at a text
 * agree about it.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { check, summary, unreadable } from "../../../src/domain/conf/Check.ts"
import { allFaults, decodeJson } from "../../../src/domain/json/decode/Decode.ts"
import { ComputeConfig, ConfigurationRequest, PromoteConfig } from "../../../src/domain/spec/ComputeConfig.ts"
import { ComputeSpec } from "../../../src/domain/spec/ComputeSpec.ts"
import { confContext } from "../../rig/confContext.ts"
import { fuzz, limit, mutated } from "../../rig/fuzz.ts"
import { root } from "../../rig/postgres.ts"

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [name: string]: Json }

const folder = path.join(root, "test/golden/conf")
const specs: ReadonlyArray<Json> = fs
  .readdirSync(folder)
  .map((name) => JSON.parse(fs.readFileSync(path.join(folder, name), "utf8")).case.spec)
  .filter((spec) => spec !== undefined)
const configs: ReadonlyArray<Json> = [
  JSON.parse(fs.readFileSync(path.join(root, "deploy/config.example.json"), "utf8")),
  ...specs.map((spec) => ({
    spec,
    compute_ctl_config: { jwks: { keys: [{ kty: "OKP", crv: "Ed25519", x: "AAAA", kid: "k" }] }, tls: null }
  }))
]

/** What stands where something else is expected. */
const strange: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, -1, 0, 1.5, 1e300, 2 ** 53, "", "0/0", "\u0000", "\ud800", [], {}, [[]]),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "x".repeat(5000),
    `${"9".repeat(2000)}`,
    "a=b c='d",
    "postgresql://%zz@[::1",
    "SCRAM-SHA-256$1:a$b:c"
  ),
  fc.array(fc.constant<Json>({}), { maxLength: 3 })
)

const isObject = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The document with another value in one place, with a member more, or without one. */
const disturb = (value: Json, turns: ReadonlyArray<number>, put: Json): Json => {
  const [turn = 0, ...rest] = turns
  if (rest.length === 0) return put
  if (Array.isArray(value) && value.length > 0) {
    const at = turn % value.length
    return value.map((item, index) => (index === at ? disturb(item, rest, put) : item))
  }
  if (!isObject(value)) return put
  const names = Object.keys(value)
  const name = names[turn % (names.length + 1)]
  if (name === undefined) return { ...value, [String(turn)]: put }
  if (turn % 7 === 0) return Object.fromEntries(Object.entries(value).filter(([other]) => other !== name))
  return { ...value, [name]: disturb(value[name] ?? null, rest, put) }
}

const turns = fc.array(fc.nat({ max: 200 }), { minLength: 1, maxLength: 7 })
const documents = (sound: ReadonlyArray<Json>): fc.Arbitrary<string> => {
  const disturbed = fc
    .tuple(fc.constantFrom(...sound), fc.array(fc.tuple(turns, strange), { minLength: 1, maxLength: 3 }))
    .map(([document, changes]) =>
      JSON.stringify(changes.reduce((value, [way, put]) => disturb(value, way, put), document))
    )
  return fc.oneof(
    { weight: 3, arbitrary: disturbed },
    mutated(sound.map((document) => Buffer.from(JSON.stringify(document)))).map((bytes) => bytes.toString("utf8"))
  )
}

/** Characters of a text that tells what is wrong. */
const SHORT = 1000

const assertShort = (faults: ReadonlyArray<{ readonly path: string; readonly message: string }>) => {
  for (const { message, path: where } of faults) {
    assert.isBelow(message.length, SHORT, message)
    assert.isBelow(where.length, SHORT, where)
  }
}

describe("documents", () => {
  for (const [name, schema, sound] of [
    ["a configuration", ComputeConfig, configs],
    ["a spec", ComputeSpec, specs],
    ["a body of /configure", ConfigurationRequest, configs],
    ["a body of /promote", PromoteConfig, [{ spec: specs[0] ?? null, wal_flush_lsn: "0/1800000" }]]
  ] as const) {
    it(
      `are decoded or refused in few words: ${name}`,
      async () => {
        await fuzz(
          documents(sound),
          (text) => {
            const decoded = decodeJson<unknown, unknown>(schema, text, { trailing: "refuse" })
            const faults = allFaults<unknown, unknown>(schema, text)
            assertShort(faults)
            if (Result.isFailure(decoded)) {
              assertShort([decoded.failure])
              const [first] = faults
              if (first !== undefined) assert.deepStrictEqual(first, decoded.failure)
            } else assert.deepStrictEqual(faults, [])
          },
          { hang: 2000 }
        )
      },
      limit
    )
  }

  it(
    "are checked, or every reason is told",
    async () => {
      await fuzz(
        fc.tuple(documents(configs), fc.boolean()),
        ([text, lakebase]) => {
          const checked = check("config", text, { ...confContext, lakebase: lakebase ? { port: 5432 } : null })
          if (Result.isFailure(checked)) {
            assert.isNotEmpty(checked.failure)
            return assertShort(checked.failure)
          }
          unreadable(checked.success)
          for (const [, value] of summary(checked.success)) assert.isString(value)
        },
        { hang: 2000 }
      )
    },
    limit
  )
})
