/**
 * The fast check: one query to every safekeeper at once. Where a quorum is in sync, no election has to be held before the
 * basebackup is taken.
 *
 * Source: `compute_tools/src/sync_sk.rs`, `safekeeper/src/handler.rs` (`TIMELINE_STATUS`).
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import * as ConnectionString from "../../../domain/postgres/ConnectionString.ts"
import { type Lsn, parse } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { type Answer, decide, type Verdict } from "../../../domain/storage/SafekeeperQuorum.ts"
import { connectFailed, unexpected } from "../../sql/wire/errors.ts"
import { open } from "../../sql/wire/Session.ts"

/** Milliseconds for one safekeeper: connecting, authentication and query. */
const LIMIT = 100
/**
 * The limit is waited for in slices, so that time in which this process was busy loading the rest of itself, and could
 * not have read an answer, does not count against the safekeeper.
 */
const SLICE = 10
const sliced = (millis: number) => Effect.repeat(Effect.sleep(SLICE), { times: millis / SLICE - 1 })
const limit = sliced(LIMIT)
/** What single steps are held to besides. */
const NET = 10 * LIMIT
/**
 * Milliseconds for which every member is heard although a quorum agrees. The original takes the first quorum: whether one
 * more member, with another position, comes too late is then a matter of chance, and so is the start. WAL that it has
 * beyond the others is recovered by the election that Postgres begins with, after the basebackup was taken below it, and
 * Postgres ends over that. The time is a fixed one, many times what an answer takes, and not in proportion to what the
 * others took, so that a quick quorum shortens it for nobody. A member that is down says so at once; one that says nothing
 * at all costs a start these milliseconds.
 */
const HEARD = 50

const failed = (reason: string): Answer => ({ _tag: "Failed", reason })

const ask = (spec: ParsedSpec, address: string): Effect.Effect<Answer> =>
  Effect.gen(function* () {
    const connection = yield* Effect.fromResult(
      Result.mapError(ConnectionString.parse(`postgresql://no_user@${address}`), connectFailed)
    )
    const session = yield* open({
      connection,
      parameters: [
        ["client_encoding", "UTF8"],
        ["user", "no_user"],
        ["options", `-c timeline_id=${spec.timelineId} tenant_id=${spec.tenantId}`]
      ],
      password: spec.storageAuthToken,
      connectTimeout: NET
    })
    const [row] = yield* session.query("TIMELINE_STATUS", NET)
    if (row === undefined) return { _tag: "NotFound" } satisfies Answer
    const flush = parse(row[0] ?? "")
    const commit = parse(row[1] ?? "")
    return Result.isSuccess(flush) && Result.isSuccess(commit)
      ? ({ _tag: "Position", flush: flush.success, commit: commit.success } satisfies Answer)
      : yield* unexpected("flush_lsn or commit_lsn is not an LSN")
  }).pipe(
    Effect.scoped,
    Effect.raceFirst(Effect.andThen(limit, connectFailed(`no answer within ${LIMIT} ms`))),
    Effect.catch((error) => Effect.succeed(failed(error.message))),
    Effect.map((answer) =>
      answer._tag === "Failed" ? failed(`safekeeper ${excerpt(address)}: ${answer.reason}`) : answer
    )
  )

const conclude = (verdict: Verdict): Effect.Effect<Lsn | null> => {
  if (verdict._tag === "Synced") return Effect.succeed(verdict.lsn)
  if (verdict._tag === "Open") return Effect.succeed(verdict.enough)
  return (
    verdict.noQuorum
      ? Effect.logError(`failed sync safekeepers check: ${verdict.reason}`)
      : Effect.logInfo(`safekeepers are not in sync: ${verdict.reason}`)
  ).pipe(Effect.as(null))
}

/** The LSN at which a quorum is in sync, or null: not in sync, or not known to be. Never fails, takes at most 100 ms. */
export const check = (spec: ParsedSpec): Effect.Effect<Lsn | null> =>
  Effect.gen(function* () {
    const members = spec.safekeepers.length
    const answers: Array<Answer> = []
    const decided = yield* Deferred.make<Verdict>()
    // Zero means that there are none.
    const generations = (spec.safekeepersGeneration ?? 0) > 0
    let allHeard = false
    const settle = Effect.suspend(() => {
      const verdict = decide(members, answers, generations)
      const isOpen = verdict._tag === "Open" && !(allHeard && verdict.enough !== null)
      return isOpen ? Effect.void : Deferred.succeed(decided, verdict)
    })
    const heard = (answer: Answer) =>
      Effect.suspend(() => {
        answers.push(answer)
        return settle
      })
    for (const address of spec.safekeepers) yield* Effect.forkScoped(Effect.flatMap(ask(spec, address), heard))
    const over = Effect.suspend(() => {
      allHeard = true
      return settle
    })
    yield* Effect.forkScoped(Effect.andThen(sliced(HEARD), over))
    yield* settle
    return yield* Effect.flatMap(Deferred.await(decided), conclude)
  }).pipe(Effect.scoped, Effect.withSpan("check_safekeepers_synced"))
