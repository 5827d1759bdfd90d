/** What a look at one thing has found. */
export interface Finding {
  readonly name: string
  /** `bad` hinders a start; `warn` does later, or might. */
  readonly state: "ok" | "warn" | "bad"
  readonly says: string
  /** Null where there is nothing to do. */
  readonly remedy: string | null
}

export const ok = (name: string, says: string): Finding => ({ name, state: "ok", says, remedy: null })
export const warn = (name: string, says: string, remedy: string): Finding => ({ name, state: "warn", says, remedy })
export const bad = (name: string, says: string, remedy: string): Finding => ({ name, state: "bad", says, remedy })
