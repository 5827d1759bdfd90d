/**
 * Tar archives made by hand, so that they can hold what no tar program would put into one.
 */
import { zstdCompressSync } from "node:zlib"

export interface Member {
  readonly name: string
  readonly text?: string | Buffer
  /** `0` file, `1` hard link, `2` symbolic link, `3` device, `5` directory. */
  readonly type?: string
  readonly link?: string
  readonly mode?: number
  /** What the header says, if not the truth. */
  readonly size?: number
}

const header = ({ name, text = "", type = "0", link = "", mode = 0o644, size }: Member): Buffer => {
  const block = Buffer.alloc(512)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`
  block.write(name, 0)
  block.write(octal(mode, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(size ?? Buffer.byteLength(text), 12), 124)
  block.write(octal(0, 12), 136)
  block.write("        ", 148)
  block.write(type, 156)
  block.write(link, 157)
  block.write("ustar\x0000", 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return block
}

export const tar = (members: ReadonlyArray<Member>): Buffer =>
  Buffer.concat([
    ...members.flatMap((member) => {
      const body = Buffer.from(member.text ?? "")
      return [header(member), body, Buffer.alloc((512 - (body.length % 512)) % 512)]
    }),
    Buffer.alloc(1024)
  ])

export const archive = (members: ReadonlyArray<Member>): Buffer => zstdCompressSync(tar(members))
