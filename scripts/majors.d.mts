export function installedMajors(): ReadonlyArray<readonly [major: number, program: string]>
