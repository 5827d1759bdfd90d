export const EM_X86_64: number
export const EM_AARCH64: number

export interface Relocation {
  readonly at: number
  readonly slot: number
  readonly type: number
  readonly symbol: number
}

export class Elf {
  constructor(bytes: Buffer)
  readonly machine: number
  needed(): ReadonlyArray<string>
  versions(): ReadonlyArray<{
    readonly at: number
    readonly library: string
    readonly wanted: ReadonlyArray<{ readonly name: string; readonly number: number }>
  }>
  relocations(): ReadonlyArray<Relocation>
  symbolName(symbol: number): string
  sections(): ReadonlyArray<{ readonly at: number; readonly type: number; readonly end: number }>
  stripped(): Buffer
}
