/**
 * Archives: whatever the bytes, the reader says what is wrong or unpacks below its folder, and lets go of every file.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { windowOf } from "../../../src/domain/storage/ZstdFrame.ts"
import { BadArchive } from "../../../src/layers/archive/BadArchive.ts"
import { Extraction } from "../../../src/layers/archive/Extraction.ts"
import { resolveLink } from "../../../src/layers/archive/links.ts"
import { TarReader } from "../../../src/layers/archive/TarReader.ts"
import { attribute, end, entry, type Raw } from "../../layers/basebackup/archives.ts"
import { divided, fuzz, limit, mutated } from "../../rig/fuzz.ts"
import { descriptors } from "../../rig/resources.ts"

const names = ["a", "b/c", "b", "../x", "/y", "b/../../z", "l/x", "l", "d/", "deep/er/file", "."]
const sizes = ["0", "5", "-512", "1e3", "9007199254740993", "512", ""]

const member: fc.Arbitrary<Raw> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ name: fc.constantFrom(...names), body: fc.string({ maxLength: 700 }) }) },
  fc.record({ name: fc.constantFrom(...names), type: fc.constant("5") }),
  fc.record({
    name: fc.constantFrom(...names),
    type: fc.constantFrom("1", "2"),
    link: fc.constantFrom(...names, "..", "../b")
  }),
  fc.record({
    name: fc.constantFrom(...names),
    size: fc.integer({ min: 0, max: 2 ** 32 }),
    type: fc.constantFrom("0", "2", "L", "x")
  }),
  fc.record({
    name: fc.constant("n"),
    type: fc.constantFrom("L", "K"),
    body: fc.constantFrom(...names, "x".repeat(300))
  }),
  fc
    .array(
      fc.tuple(fc.constantFrom("path", "linkpath", "size", "GNU.sparse.major"), fc.constantFrom(...names, ...sizes)),
      { maxLength: 3 }
    )
    .map((records) => ({ name: "pax", type: "x", body: records.map(([key, value]) => attribute(key, value)).join("") }))
)
const archives = fc
  .array(member, { maxLength: 8 })
  .chain((members) => mutated([Buffer.concat([...members.map(entry), end])]))

/** What a failure may be: the archive's fault, or the file system's. */
const isExpected = (error: unknown): boolean =>
  error instanceof BadArchive || (error instanceof Error && "code" in error && typeof error.code === "string")

describe("archives", () => {
  it(
    "are read without a crash, and nothing leaves the folder",
    async () => {
      const root = fs.mkdtempSync(path.join(os.tmpdir(), "fuzz-"))
      try {
        await fuzz(
          fc.tuple(archives, fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 5 })),
          ([bytes, cuts]) => {
            const target = path.join(root, "target")
            fs.rmSync(target, { recursive: true, force: true })
            fs.mkdirSync(target)
            const extraction = new Extraction(target, null, new Set(["kept"]))
            const reader = new TarReader(extraction, { unpacked: 1024 ** 2, entries: 100 })
            try {
              const fault = divided(bytes, cuts).reduce<string | null>(
                (known, piece) => known ?? reader.push(piece),
                null
              )
              if ((fault ?? reader.finish()) === null) extraction.finish()
            } catch (error) {
              if (!isExpected(error)) throw error
            } finally {
              extraction.close()
            }
            assert.deepStrictEqual(fs.readdirSync(root), ["target"])
            for (const name of fs.readdirSync(target, { recursive: true, encoding: "utf8" })) {
              const file = path.join(target, name)
              if (!fs.lstatSync(file).isSymbolicLink()) continue
              assert.isNotNull(resolveLink(name, fs.readlinkSync(file)))
              const real = fs.existsSync(file) ? fs.realpathSync(file) : target
              assert.isTrue(`${real}/`.startsWith(`${fs.realpathSync(target)}/`), `${name} leads to ${real}`)
            }
            assert.deepStrictEqual(
              descriptors(process.pid).filter((file) => file.startsWith(root)),
              []
            )
          }
        )
      } finally {
        fs.rmSync(root, { recursive: true, force: true })
      }
    },
    limit
  )

  it(
    "say how large a window is, or that they are none",
    async () => {
      await fuzz(
        mutated([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 200]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x88])]),
        (bytes) => {
          const window = windowOf(bytes)
          assert.isTrue(window === null || window >= 0)
        }
      )
    },
    limit
  )
})
