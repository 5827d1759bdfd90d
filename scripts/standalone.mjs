// Node's binary for Linux wants libatomic.so.1, which a bare Debian or Ubuntu lacks: the loader ends such a program before
// its first instruction. All it wants from there is one function, a dozen instructions long for the one width in use. So
// that function goes into the binary, and the library is no longer asked for.
import { Elf, EM_AARCH64, EM_X86_64 } from "./elf.mjs"

export const LIBRARY = "libatomic.so.1"
const SYMBOL = "__atomic_compare_exchange"

const words = (...numbers) => {
  const bytes = Buffer.alloc(numbers.length * 4)
  numbers.forEach((number, index) => {
    bytes.writeUInt32LE(number, index * 4)
  })
  return bytes
}

/** Instructions in the code, each with its address, that are `width` bytes long and begin at a multiple of `step`. */
const find = function* (elf, step, width, matches) {
  const { offset, address, size } = elf.code()
  for (let at = offset; at <= offset + size - width; at += step) {
    if (matches(at, address + at - offset)) yield { at, address: address + at - offset }
  }
}

/**
 * For each processor: `bool __atomic_compare_exchange(size_t, void *object, void *expected, void *desired, int, int)` for
 * eight bytes, sequentially consistent, which is as much as any order a caller names (another size stops the process);
 * the calls that go by a slot of the loader's; and whether a call is one for eight bytes.
 */
const processors = {
  [EM_X86_64]: {
    code: Buffer.from(
      [
        "4883ff08", //            cmp rdi, 8
        "7519", //                jne other
        "488b02", //              mov rax, [rdx]
        "488b09", //              mov rcx, [rcx]
        "f0480fb10e", //          lock cmpxchg [rsi], rcx
        "7506", //                jne differs
        "b801000000", //          mov eax, 1
        "c3", //                  ret
        "488902", //     differs: mov [rdx], rax
        "31c0", //                xor eax, eax
        "c3", //                  ret
        "0f0b" //          other: ud2
      ].join(""),
      "hex"
    ),
    *calls(elf, slot) {
      const { bytes } = elf
      const jump = (at, address) =>
        bytes.readUInt16LE(at) === 0x25ff && address + 6 + bytes.readInt32LE(at + 2) === slot
      const [entry] = find(elf, 1, 6, jump)
      if (entry === undefined) return
      yield* find(elf, 1, 5, (at, address) => {
        const isCall = bytes[at] === 0xe8 || bytes[at] === 0xe9
        return isCall && address + 5 + bytes.readInt32LE(at + 1) === entry.address
      })
    },
    // mov edi, 8
    isForEight: (elf, at) => elf.bytes.subarray(at - 64, at).includes("bf08000000", 0, "hex")
  },
  [EM_AARCH64]: {
    code: words(
      0xf100201f, //          cmp x0, #8
      0x540001c1, //          b.ne other
      0xf9400048, //          ldr x8, [x2]
      0xf9400069, //          ldr x9, [x3]
      0xc85ffc2a, //   again: ldaxr x10, [x1]
      0xeb08015f, //          cmp x10, x8
      0x540000a1, //          b.ne differs
      0xc80bfc29, //          stlxr w11, x9, [x1]
      0x35ffff8b, //          cbnz w11, again
      0x52800020, //          mov w0, #1
      0xd65f03c0, //          ret
      0xd5033f5f, // differs: clrex
      0xf900004a, //          str x10, [x2]
      0x52800000, //          mov w0, #0
      0xd65f03c0, //          ret
      0xd4200020 //    other: brk #1
    ),
    *calls(elf, slot) {
      const { bytes } = elf
      const signed = (value, bits) => (value << (32 - bits)) >> (32 - bits)
      // adrp x16, page; ldr x17, [x16, #offset]
      const [entry] = find(elf, 4, 8, (at, address) => {
        const adrp = bytes.readUInt32LE(at)
        const ldr = bytes.readUInt32LE(at + 4)
        if ((adrp & 0x9f00001f) >>> 0 !== 0x90000010 || (ldr & 0xffc003ff) >>> 0 !== 0xf9400211) return false
        const pages = signed((((adrp >>> 5) & 0x7ffff) << 2) | ((adrp >>> 29) & 3), 21)
        return address - (address % 4096) + pages * 4096 + ((ldr >>> 10) & 0xfff) * 8 === slot
      })
      if (entry === undefined) return
      // bl entry; b entry
      yield* find(elf, 4, 4, (at, address) => {
        const word = bytes.readUInt32LE(at)
        return ((word >>> 26) & 0x1f) === 5 && address + signed(word & 0x3ffffff, 26) * 4 === entry.address
      })
    },
    // mov w0, #8; mov x0, #8
    isForEight: (elf, at) =>
      [0x52800100, 0xd2800100].some((word) => elf.bytes.subarray(at - 64, at).includes(words(word)))
  }
}

/**
 * Makes Node's binary independent of libatomic, in place. One that does not want it stays as it is.
 * @param {Buffer} bytes the binary
 * @throws when it is not the binary this was written for: it wants more of the library, or other widths
 */
export const makeStandalone = (bytes) => {
  const elf = new Elf(bytes)
  if (!elf.needed().includes(LIBRARY)) return
  const processor = processors[elf.machine]
  if (processor === undefined) throw new Error(`processor ${elf.machine} of the ELF list is not known`)
  if (!elf.isFixed) throw new Error("it is loaded at an address of the loader's choice")
  const numbers = elf.versions().flatMap(({ library, wanted }) => (library === LIBRARY ? wanted : []))
  const references = elf.relocations().filter(({ symbol }) => {
    const version = symbol === 0 ? 0 : bytes.readUInt16LE(elf.versionAt(symbol)) & 0x7fff
    return numbers.some(({ number }) => number === version)
  })
  const [reference] = references
  if (references.length !== 1 || elf.symbolName(reference.symbol) !== SYMBOL) {
    const names = references.map(({ symbol }) => elf.symbolName(symbol))
    throw new Error(`it wants ${names.length === 0 ? "nothing that is known" : names.join(", ")} of ${LIBRARY}`)
  }
  const calls = [...processor.calls(elf, reference.slot)]
  if (calls.length === 0 || !calls.every(({ at }) => processor.isForEight(elf, at))) {
    throw new Error(`it calls ${SYMBOL} for another width than eight bytes`)
  }
  elf.setLong(elf.offsetOf(reference.slot), elf.append(processor.code))
  // No symbol and type 0: nothing to do for the loader.
  bytes.fill(0, reference.at + 8, reference.at + 24)
  bytes.writeUInt16LE(1, elf.versionAt(reference.symbol))
  elf.dropVersions(LIBRARY)
  elf.dropNeeded(LIBRARY)
}
