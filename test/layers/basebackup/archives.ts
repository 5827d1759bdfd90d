/**
 * Tar archives entry by entry, for what no sane writer would write.
 */
export interface Raw {
  readonly name: string
  readonly type?: string
  readonly body?: Buffer | string
  readonly mode?: number
  readonly link?: string
  /** What the header says, when it is not the body's length. */
  readonly size?: number
  /** Base 256 instead of octal. */
  readonly binarySize?: boolean
  readonly magic?: string
  readonly prefix?: string
  readonly checksum?: number
}

const BLOCK = 512

export const entry = (raw: Raw): Buffer => {
  const body = Buffer.from(raw.body ?? "")
  const size = raw.size ?? body.length
  const head = Buffer.alloc(BLOCK)
  head.write(raw.name, 0, 100)
  head.write((raw.mode ?? 0o600).toString(8).padStart(7, "0"), 100)
  if (raw.binarySize === true) {
    head[124] = 0x80
    head.writeUInt32BE(size, 132)
  } else {
    head.write(size.toString(8).padStart(11, "0"), 124)
  }
  head.write((1_700_000_000).toString(8).padStart(11, "0"), 136)
  head.fill(" ", 148, 156)
  head.write(raw.type ?? "\0", 156)
  head.write(raw.link ?? "", 157)
  head.write(raw.magic ?? "ustar  \0", 257)
  head.write(raw.prefix ?? "", 345)
  const sum = raw.checksum ?? head.reduce((total, byte) => total + byte, 0)
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return Buffer.concat([head, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)])
}

export const end = Buffer.alloc(2 * BLOCK)

/** What every basebackup must bring. */
export const essentials: ReadonlyArray<Buffer> = [
  entry({ name: "neon.signal", body: "PREV LSN: none" }),
  entry({ name: "global", type: "5", mode: 0o755 }),
  entry({ name: "global/pg_control", body: Buffer.alloc(8192, 7) })
]

export const tar = (...entries: ReadonlyArray<Raw>): Buffer =>
  Buffer.concat([...entries.map(entry), ...essentials, end])

/** A record of POSIX attributes. */
export const attribute = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`
  for (let length = rest.length; ; length++) {
    if (Buffer.byteLength(`${length}${rest}`) === length) return `${length}${rest}`
  }
}
