/**
 * Tar archives as pageservers write them: GNU headers, no owner, plain relative names, two zero blocks at the end.
 *
 * Source: `pageserver/src/basebackup.rs`, https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
export type Entry =
  | { readonly kind: "directory"; readonly name: string }
  | { readonly kind: "file"; readonly name: string; readonly body: Buffer }

const block = 512
const nameLimit = 100

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`

const header = (entry: Entry, mtime: number): Buffer => {
  const out = Buffer.alloc(block)
  const isFile = entry.kind === "file"
  out.write(entry.name, 0, nameLimit)
  out.write(octal(isFile ? 0o600 : 0o755, 7), 100)
  out.write(octal(isFile ? entry.body.length : 0, 11), 124)
  out.write(octal(mtime, 11), 136)
  out.fill(" ", 148, 156)
  out.write(isFile ? "\0" : "5", 156)
  out.write("ustar  \0", 257)
  const sum = out.reduce((total, byte) => total + byte, 0)
  out.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return out
}

/** Names above 100 bytes are left out: no header of this form can carry them. `mtime`: epoch seconds. */
export const archive = (entries: ReadonlyArray<Entry>, mtime: number): Buffer => {
  const parts: Array<Buffer> = []
  for (const entry of entries) {
    if (Buffer.byteLength(entry.name) > nameLimit) continue
    parts.push(header(entry, mtime))
    if (entry.kind === "file") {
      const padding = (block - (entry.body.length % block)) % block
      parts.push(entry.body, Buffer.alloc(padding))
    }
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * block)])
}
