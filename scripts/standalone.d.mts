export const LIBRARY: string
export const makeStandalone: (bytes: Buffer) => void
