// The room that the compiled code of unused modules took: zeros at the end of the heap snapshot in the executable, behind
// which come the files that are read when they are wanted.
import * as fs from "node:fs"
import { Elf, PAGE } from "./elf.mjs"

// What the builder writes (Node's src/node_sea.cc): two words of four bytes, two bytes, and texts behind their length in eight.
const MAGIC = 0x0143da20
const FIXED = 10
const LENGTH = 8

/**
 * Where the heap snapshot is in an executable, what says how long it is, and where the last of its files ends; undefined in a file that holds no program.
 * @param {Buffer} bytes
 */
export const snapshotIn = (bytes) => {
  if (bytes.toString("latin1", 1, 4) !== "ELF") return undefined
  const elf = new Elf(bytes)
  const note = elf.note("NODE_SEA_BLOB")
  if (note === undefined || bytes.readUInt32LE(note.start) !== MAGIC) return undefined
  const length = note.start + FIXED + LENGTH + elf.long(note.start + FIXED)
  const from = length + LENGTH
  return { elf, note, length, start: 0, from, to: from + elf.long(length), end: note.start + note.size }
}

/**
 * Writes the file anew, without whole pages of those zeros.
 * @param {string} file an ELF file; another stays as it is
 * @param {{ readonly from: number, readonly size: number }} zeros with which the snapshot ends
 * @throws when the snapshot is not where it was expected, or ends elsewhere
 */
export const shorten = (file, { from, size }) => {
  const bytes = fs.readFileSync(file)
  if (bytes.toString("latin1", 1, 4) !== "ELF") return
  const found = snapshotIn(bytes)
  if (found === undefined) throw new Error(`${file} holds no program`)
  const { elf, length, note, to } = found
  if (to !== from + size) throw new Error(`the snapshot in ${file} ends at ${to} and not at ${from + size}`)
  const cut = size - (size % PAGE)
  if (cut === 0) return
  if (bytes.subarray(to - cut, to).some((byte) => byte !== 0)) throw new Error(`${file} has no zeros at ${to - cut}`)
  elf.setLong(length, elf.long(length) - cut)
  bytes.writeUInt32LE(note.size - cut, note.at)
  fs.writeFileSync(file, elf.without(to - cut, cut))
}
