export const heapFlags: ReadonlyArray<string>
export const builderFlags: ReadonlyArray<string>
export const rehearse: (node: string, args: ReadonlyArray<string>, cwd: string) => Promise<ReadonlyArray<string>>
