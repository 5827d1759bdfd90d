export interface ConsolePage {
  readonly html: string
  /** Value of its `Content-Security-Policy`. */
  readonly policy: string
}

export declare const consolePage: (root: string) => Promise<{ readonly page: ConsolePage; readonly metafile: object }>
