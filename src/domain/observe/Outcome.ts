import * as Exit from "effect/Exit"

/** How whatever is timed or counted ended, in every label `outcome`. `refused`: somebody else answered, and said no. */
export type Outcome = "ok" | "refused" | "failed" | "interrupted"

export const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Outcome =>
  Exit.isSuccess(exit) ? "ok" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"

/** What happens once or seldom, and whose last duration is told. `data directory` holds the two that follow it. */
export type TimedStep =
  | "data directory"
  | "sync safekeepers"
  | "basebackup"
  | "load extensions"
  | "start postgres"
  | "configure"
  | "catalog"
  | "reconfigure"
  | "final sync"
