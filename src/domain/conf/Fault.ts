/** Why a configuration would not run, or not as it is meant. */
export interface Fault {
  /** JSON path; empty for the document itself. */
  readonly path: string
  readonly message: string
}
