export interface Found {
  readonly length: number
  readonly start: 0
  readonly from: number
  readonly to: number
  readonly end: number
}
export const snapshotIn: (bytes: Buffer) => Found | undefined
