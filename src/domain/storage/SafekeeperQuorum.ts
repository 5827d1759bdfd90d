/**
 * Whether a quorum of safekeepers is in sync, decided as their answers come.
 *
 * Source: `compute_tools/src/sync_sk.rs`.
 */
import { format, type Lsn } from "../spec/Lsn.ts"

export type Answer =
  | { readonly _tag: "Position"; readonly flush: Lsn; readonly commit: Lsn }
  /** The safekeeper is there and has never seen the timeline. */
  | { readonly _tag: "NotFound" }
  | { readonly _tag: "Failed"; readonly reason: string }

export type Verdict =
  /** `enough`: a quorum agrees, and the others may only spoil it. */
  | { readonly _tag: "Open"; readonly enough: Lsn | null }
  | { readonly _tag: "Synced"; readonly lsn: Lsn }
  | { readonly _tag: "NotSynced"; readonly reason: string; readonly noQuorum: boolean }

export const quorum = (members: number): number => Math.floor(members / 2) + 1

const notSynced = (reason: string, noQuorum = false): Verdict => ({ _tag: "NotSynced", reason, noQuorum })

/**
 * `members` safekeepers were asked, `answers` are in.
 *
 * With generations the list is one of several that the timeline has had, and a quorum of it need not be one of the others:
 * then every member has to agree. What the members themselves know of generations, only an election learns.
 *
 * In sync means: a quorum answered, and every answer has the same flush and commit LSN. A member that answers something
 * else spoils it whether or not the quorum agrees without it: its WAL beyond the quorum's would be recovered by the
 * election that Postgres starts with, after the basebackup had been taken below it.
 */
export const decide = (members: number, answers: ReadonlyArray<Answer>, generations = false): Verdict => {
  const needed = generations ? Math.max(members, 1) : quorum(members)
  const failed = answers.filter((answer) => answer._tag === "Failed")
  const positions = answers.filter((answer) => answer._tag === "Position")
  const first = positions[0]
  if (answers.some((answer) => answer._tag === "NotFound")) return notSynced("a safekeeper does not know the timeline")
  if (first !== undefined) {
    const lagging = positions.find((answer) => answer.flush !== first.flush || answer.commit !== first.flush)
    if (lagging !== undefined) {
      return notSynced(
        `flush ${format(first.flush)}, commit ${format(first.commit)} and flush ${format(lagging.flush)}, commit ${format(lagging.commit)}`
      )
    }
  }
  if (members - failed.length < needed) {
    const reasons = failed.map((answer) => answer.reason).join("; ")
    return notSynced(reasons, members - failed.length < quorum(members))
  }
  const enough = first !== undefined && positions.length >= needed ? first.flush : null
  return enough !== null && answers.length === members ? { _tag: "Synced", lsn: enough } : { _tag: "Open", enough }
}
