export const insideOf: (
  metafiles: ReadonlyArray<{ readonly inputs: Readonly<Record<string, unknown>> }>,
  runtime: string
) => ReadonlyArray<string>

export interface Package {
  readonly name: string
  readonly version: string
  readonly license?: string
}

export const licenceOf: (one: Package, text: string | null) => string

export interface Bill {
  readonly serialNumber: string
  readonly metadata: {
    readonly timestamp: string
    readonly component: Readonly<Record<string, unknown>>
  }
  readonly components: ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly dependencies: ReadonlyArray<{ readonly ref: string; readonly dependsOn?: ReadonlyArray<string> }>
}

export const billOf: (
  bill: Bill,
  inside: ReadonlyArray<Package>,
  facts: { readonly seconds: number; readonly executable: string }
) => Bill
