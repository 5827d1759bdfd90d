/**
 * The server that the sessions of one service are for, as far as their options depend on it.
 */
import type * as Effect from "effect/Effect"
import type { Places } from "./places.ts"
import type { MetVersion } from "./ServerVersion.ts"

export interface Server {
  readonly connstr: string
  /** The one that we run. */
  readonly isOurs: boolean
  readonly met: MetVersion
  /** What its configuration says about commits; null when nobody knows it. */
  readonly commit: Effect.Effect<string | null>
  readonly places: Places
  /** When a login last waited in vain for a lock; the clock of `performance`. */
  readonly lockedOut: { at: number }
}
