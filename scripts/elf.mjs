// What a 64-bit little-endian ELF file wants from the machine's loader: enough to read it and to change it in place.
// Names and numbers are those of the System V ABI (elf.h).

export const EM_X86_64 = 62
export const EM_AARCH64 = 183
const ET_EXEC = 2
const PT_LOAD = 1
const PT_DYNAMIC = 2
const PT_NOTE = 4
const PF_X = 1
const SHF_ALLOC = 2
const SHF_EXECINSTR = 4
const SHT_GNU_VERNEED = 0x6ffffffe
const DT_NULL = 0
const DT_NEEDED = 1
const DT_PLTRELSZ = 2
const DT_STRTAB = 5
const DT_SYMTAB = 6
const DT_RELA = 7
const DT_RELASZ = 8
const DT_JMPREL = 23
const DT_VERSYM = 0x6ffffff0
const DT_VERNEED = 0x6ffffffe
const DT_VERNEEDNUM = 0x6fffffff

export const PAGE = 4096

/** Notes are aligned to four bytes. */
const padded = (size) => size + (-size & 3)

/** Offsets of a table's rows. */
const rows = (start, size, count) => Array.from({ length: count }, (_, index) => start + index * size)

export class Elf {
  /** @param {Buffer} bytes the whole file; changes are made in it */
  constructor(bytes) {
    this.bytes = bytes
    if (bytes.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") throw new Error("not a 64-bit little-endian ELF file")
    this.machine = bytes.readUInt16LE(18)
    /** Addresses are final: the loader adds nothing to them. */
    this.isFixed = bytes.readUInt16LE(16) === ET_EXEC
    this.segments = rows(this.long(32), bytes.readUInt16LE(54), bytes.readUInt16LE(56)).map((at) => ({
      at,
      type: bytes.readUInt32LE(at),
      isExecutable: (bytes.readUInt32LE(at + 4) & PF_X) !== 0,
      offset: this.long(at + 8),
      address: this.long(at + 16),
      size: this.long(at + 32)
    }))
    this.loaded = this.segments.filter(({ type }) => type === PT_LOAD)
  }

  long(offset) {
    return Number(this.bytes.readBigUInt64LE(offset))
  }

  setLong(offset, value) {
    this.bytes.writeBigUInt64LE(BigInt(value), offset)
  }

  /** Where in the file an address of the running program is. */
  offsetOf(address) {
    const holder = this.loaded.find((one) => address >= one.address && address < one.address + one.size)
    if (holder === undefined) throw new Error(`no segment of the file holds the address 0x${address.toString(16)}`)
    return address - holder.address + holder.offset
  }

  /** Entries of the dynamic section; none in a static program. */
  dynamic() {
    const section = this.segments.find(({ type }) => type === PT_DYNAMIC)
    if (section === undefined) return []
    const all = rows(section.offset, 16, section.size / 16).map((at) => ({
      at,
      tag: this.long(at),
      value: this.long(at + 8)
    }))
    const end = all.findIndex(({ tag }) => tag === DT_NULL)
    return end < 0 ? all : all.slice(0, end)
  }

  entry(tag) {
    return this.dynamic().find((one) => one.tag === tag)
  }

  /** The address that an entry of the dynamic section holds, as an offset in the file. */
  pointer(tag) {
    const found = this.entry(tag)
    if (found === undefined) throw new Error(`the dynamic section has no entry 0x${tag.toString(16)}`)
    return this.offsetOf(found.value)
  }

  name(index) {
    const start = this.pointer(DT_STRTAB) + index
    return this.bytes.toString("latin1", start, this.bytes.indexOf(0, start))
  }

  /** Shared libraries that the loader must find. */
  needed() {
    return this.dynamic().flatMap(({ tag, value }) => (tag === DT_NEEDED ? [this.name(value)] : []))
  }

  /** The versions that each library must have: names, the numbers that stand for them here, where it is written. */
  versions() {
    const found = []
    const count = this.entry(DT_VERNEEDNUM)?.value ?? 0
    let at = count === 0 ? 0 : this.pointer(DT_VERNEED)
    for (let index = 0; index < count; index++) {
      const wanted = []
      let aux = at + this.bytes.readUInt32LE(at + 8)
      for (let left = this.bytes.readUInt16LE(at + 2); left > 0; left--) {
        wanted.push({ name: this.name(this.bytes.readUInt32LE(aux + 8)), number: this.bytes.readUInt16LE(aux + 6) })
        aux += this.bytes.readUInt32LE(aux + 12)
      }
      found.push({ at, library: this.name(this.bytes.readUInt32LE(at + 4)), wanted })
      at += this.bytes.readUInt32LE(at + 12)
    }
    return found
  }

  /** References that the loader resolves: where the address goes, of which symbol. */
  relocations() {
    return [
      [DT_RELA, DT_RELASZ],
      [DT_JMPREL, DT_PLTRELSZ]
    ].flatMap(([start, size]) => {
      const bytes = this.entry(size)?.value ?? 0
      return bytes === 0
        ? []
        : rows(this.pointer(start), 24, bytes / 24).map((at) => ({
            at,
            slot: this.long(at),
            type: this.bytes.readUInt32LE(at + 8),
            symbol: this.bytes.readUInt32LE(at + 12)
          }))
    })
  }

  symbolName(symbol) {
    return this.name(this.bytes.readUInt32LE(this.pointer(DT_SYMTAB) + symbol * 24))
  }

  /** Where the number of the version that a symbol must have is written. */
  versionAt(symbol) {
    return this.pointer(DT_VERSYM) + symbol * 2
  }

  sections() {
    return rows(this.long(40), this.bytes.readUInt16LE(58), this.bytes.readUInt16LE(60)).map((at) => ({
      at,
      type: this.bytes.readUInt32LE(at + 4),
      isExecutable: (this.long(at + 8) & SHF_EXECINSTR) !== 0,
      end: this.long(at + 16) + this.long(at + 32)
    }))
  }

  dropNeeded(library) {
    const dynamic = this.dynamic()
    const index = dynamic.findIndex(({ tag, value }) => tag === DT_NEEDED && this.name(value) === library)
    const last = dynamic.at(-1)
    this.bytes.copyWithin(dynamic[index].at, dynamic[index].at + 16, last.at + 16)
    this.bytes.fill(0, last.at, last.at + 16)
  }

  dropVersions(library) {
    const { bytes } = this
    const all = this.versions()
    const index = all.findIndex((one) => one.library === library)
    const here = all[index].at
    if (index + 1 < all.length) {
      // The next one moves to its place: what it tells relative to itself is now further away.
      const moved = all[index + 1].at - here
      bytes.copyWithin(here, here + moved, here + moved + 16)
      bytes.writeUInt32LE(bytes.readUInt32LE(here + 8) + moved, here + 8)
      if (index + 2 < all.length) bytes.writeUInt32LE(bytes.readUInt32LE(here + 12) + moved, here + 12)
    } else {
      bytes.writeUInt32LE(0, all[index - 1].at + 12)
    }
    this.setLong(this.entry(DT_VERNEEDNUM).at + 8, all.length - 1)
    for (const { at, type } of this.sections()) {
      if (type === SHT_GNU_VERNEED) bytes.writeUInt32LE(all.length - 1, at + 44)
    }
  }

  /**
   * The file without what no process loads: symbols, and what debuggers read.
   * @returns {Buffer} a copy
   */
  stripped() {
    const { bytes } = this
    const headers = rows(this.long(40), bytes.readUInt16LE(58), bytes.readUInt16LE(60))
    const names = headers[bytes.readUInt16LE(62)]
    const isLoaded = (at) => (this.long(at + 8) & SHF_ALLOC) !== 0
    const kept = headers.filter((at, index) => index === 0 || isLoaded(at))
    // They tell of each other by their numbers.
    if (kept.some((at, index) => at !== headers[index])) throw new Error("its sections are in an unknown order")
    const end = Math.max(...this.loaded.map(({ offset, size }) => offset + size))
    const text = bytes.subarray(this.long(names + 24), this.long(names + 24) + this.long(names + 32))
    const table = Buffer.concat([...kept, names].map((at) => bytes.subarray(at, at + 64)))
    table.writeBigUInt64LE(BigInt(end), table.length - 64 + 24)
    const gap = Buffer.alloc(-(end + text.length) & 7)
    const copy = Buffer.concat([bytes.subarray(0, end), text, gap, table])
    copy.writeBigUInt64LE(BigInt(end + text.length + gap.length), 40)
    copy.writeUInt16LE(kept.length + 1, 60)
    copy.writeUInt16LE(kept.length, 62)
    return copy
  }

  /** What a note of this name holds: where it says how much that is, where it begins, and its size. */
  note(name) {
    const wanted = `${name}\0`
    for (const { offset, size } of this.segments.filter(({ type }) => type === PT_NOTE)) {
      for (let at = offset; at + 12 < offset + size; ) {
        const [named, held] = [this.bytes.readUInt32LE(at), this.bytes.readUInt32LE(at + 4)]
        const start = at + 12 + padded(named)
        if (this.bytes.toString("latin1", at + 12, at + 12 + named) === wanted) return { at: at + 4, start, size: held }
        at = start + padded(held)
      }
    }
    return undefined
  }

  /**
   * The file without a piece of it that nobody reads. What comes behind moves as far as the piece was long: by whole pages, so that
   * all of it stays as aligned as it was. Addresses behind it in the same segment move too, and nobody may know one.
   * @returns {Buffer} a copy
   */
  without(from, size) {
    const { bytes } = this
    if (size % PAGE !== 0) throw new Error(`${size} bytes are no whole pages`)
    const copy = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + size)])
    const moved = (at) => (at > from ? at - size : at)
    const change = (at, to) => copy.writeBigUInt64LE(BigInt(to), moved(at))
    const headers = [
      ...rows(this.long(32), bytes.readUInt16LE(54), bytes.readUInt16LE(56)).map((at) => ({
        offset: at + 8,
        sizes: [at + 32, at + 40]
      })),
      ...rows(this.long(40), bytes.readUInt16LE(58), bytes.readUInt16LE(60)).map((at) => ({
        offset: at + 24,
        sizes: [at + 32]
      }))
    ]
    for (const { offset, sizes } of headers) {
      const start = this.long(offset)
      const end = start + this.long(sizes[0])
      change(offset, moved(start))
      if (start > from || end <= from) continue
      if (end < from + size) throw new Error("what is cut out begins in a part of the file and ends in another")
      for (const at of sizes) change(at, this.long(at) - size)
    }
    for (const at of [32, 40]) change(at, moved(this.long(at)))
    return copy
  }

  /** The segment with the program's code. */
  code() {
    return this.loaded.find(({ isExecutable }) => isExecutable)
  }

  /**
   * Puts code behind the program's own, where the file has nothing but zeros up to the next page.
   * @returns its address
   */
  append(code) {
    const segment = this.code()
    const end = segment.offset + segment.size
    const start = Math.ceil(end / 16) * 16
    const limit = Math.min(...this.loaded.map(({ offset }) => offset).filter((offset) => offset >= end))
    if (start + code.length > limit || this.bytes.subarray(end, start + code.length).some((byte) => byte !== 0)) {
      throw new Error("there is no room behind its code")
    }
    // A section that ends with the segment grows with it: what is in no section is lost to tools that write files anew.
    const last = this.sections().find((one) => one.isExecutable && one.end === segment.address + segment.size)
    const added = start + code.length - end
    for (const at of [segment.at + 32, segment.at + 40, ...(last === undefined ? [] : [last.at + 32])]) {
      this.setLong(at, this.long(at) + added)
    }
    segment.size += added
    code.copy(this.bytes, start)
    return start - segment.offset + segment.address
  }
}
