export const difference: (one: Buffer, other: Buffer) => string
