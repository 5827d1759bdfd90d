export const trimCodeCache: (file: string) => void
