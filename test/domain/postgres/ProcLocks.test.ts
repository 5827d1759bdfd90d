import { assert, describe, it } from "@effect/vitest"
import { fileIdentity, isFlocked } from "../../../src/domain/postgres/ProcLocks.ts"
import { growth } from "../../rig/proportion.ts"

const LOCKS = `1: FLOCK  ADVISORY  WRITE 1234 08:01:131074 0 EOF
1: -> FLOCK  ADVISORY  WRITE 4321 08:01:131099 0 EOF
2: POSIX  ADVISORY  WRITE 1235 08:01:131075 0 EOF
3: FLOCK  ADVISORY  READ  1236 08:01:131076 0 EOF
4: FLOCK  ADVISORY  WRITE 77 fd:102:131077 0 EOF
`

describe("isFlocked", () => {
  const at = (major: number, minor: number, inode: number) => ({ major, minor, inode: BigInt(inode) })
  for (const [what, file, pid, expected] of [
    ["held exclusively", at(8, 1, 131074), 1, true],
    ["waited for, not held", at(8, 1, 131099), 4321, false],
    ["a lock of fcntl", at(8, 1, 131075), 1235, false],
    ["held shared", at(8, 1, 131076), 1236, false],
    ["device numbers above 255", at(0xfd, 0x102, 131077), 1, true],
    ["another device, its holder unknown", at(9, 1, 131074), 1, false],
    ["another device of a layered file system, held by the pid in the file", at(9, 1, 131074), 1234, true],
    ["not locked", at(8, 1, 5), 1234, false]
  ] as const) {
    it(what, () => assert.strictEqual(isFlocked(LOCKS, file, pid), expected))
  }

  it("is not kept by the locks of everybody else", () => {
    const locks = (count: number) =>
      [
        ...Array.from({ length: count }, (_, index) => `${index}: FLOCK  ADVISORY  WRITE 9 08:01:${index} 0 EOF\n`),
        LOCKS
      ].join("")
    const look = (text: string) => isFlocked(text, at(8, 1, 131074), 1234)
    assert.isTrue(look(locks(300_000)))
    assert.isBelow(growth(look, locks(30_000), locks(300_000)), 40)
  })

  it("unpacks device numbers as glibc packs them", () => {
    assert.deepStrictEqual(fileIdentity(0x801n, 7n), at(8, 1, 7))
    assert.deepStrictEqual(fileIdentity(((0x102n & ~0xffn) << 12n) | 0x02n | 0xfd00n, 7n), at(0xfd, 0x102, 7))
  })
})
