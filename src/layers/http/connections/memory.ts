/**
 * The memory of what sockets bring. A read takes 64 KB, of which the collector of garbage knows little: it would come for
 * them when a hundred connections have left theirs behind. Here they go when nobody needs them any more.
 *
 * All of these bytes have a buffer of their own: as the socket read them, or as they were copied here.
 */

/** Bytes that nobody reads again. */
export const giveBack = ({ buffer }: Uint8Array): void => {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}

const copied = (parts: ReadonlyArray<Buffer>): Buffer => {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    at += part.copy(whole, at)
    giveBack(part)
  }
  return whole
}

/** Both, given back, as one. */
export const join = (one: Buffer, other: Buffer): Buffer => copied([one, other])

/** The same bytes without the much that was before them. */
export const snug = (bytes: Buffer): Buffer => (bytes.length < bytes.buffer.byteLength / 2 ? copied([bytes]) : bytes)
