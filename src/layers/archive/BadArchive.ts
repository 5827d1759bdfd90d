/** The archive itself is at fault: what it has must not be unpacked, and another try brings the same. */
export class BadArchive extends Error {}
