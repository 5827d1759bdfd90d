import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import { Archive } from "../../src/emulator/postgres/Archive.ts"
import * as Branches from "../../src/emulator/postgres/Branches.ts"
import { tempDir } from "../rig/postgres.ts"

describe("Branches", () => {
  it.live("are saved, forked and found again", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir()
      assert.isUndefined(yield* Branches.load(folder, "main"))
      const first = yield* Branches.fork(
        folder,
        { name: "x", timeline_id: "" as never, lsn: Lsn.zero, pg_major: 15 },
        "y"
      ).pipe(Effect.result)
      assert.strictEqual(first._tag, "Failure")
      const made = yield* Effect.gen(function* () {
        const timeline = Branches.timelineOf("main") as never
        const main = { name: "main", timeline_id: timeline, lsn: Lsn.fromBigInt(0x2000000n), pg_major: 17 }
        yield* Branches.save(folder, main, new Archive(Buffer.from("one")))
        yield* Branches.save(folder, { ...main, lsn: Lsn.fromBigInt(0x2000028n) }, new Archive(Buffer.from("two")))
        return yield* Branches.load(folder, "main")
      })
      assert.strictEqual(made?.lsn, Lsn.fromBigInt(0x2000028n))
      if (made === undefined) return
      const feature = yield* Branches.fork(folder, made, "feature")
      assert.notStrictEqual(feature.timeline_id, made.timeline_id)
      assert.deepStrictEqual(yield* Branches.load(folder, "feature"), feature)
      assert.strictEqual(fs.readFileSync(Branches.archiveFile(folder, "feature"), "utf8"), "two")
      fs.writeFileSync(`${folder}/main.json`, "{}")
      assert.strictEqual((yield* Effect.result(Branches.load(folder, "main")))._tag, "Failure")
    })
  )

  it("names are names of files", () => {
    for (const name of ["main", "a.b-c_1"]) assert.isTrue(Branches.isName(name), name)
    for (const name of ["", ".", "..", "a/b", ".x", "a b"]) assert.isFalse(Branches.isName(name), name)
  })
})
