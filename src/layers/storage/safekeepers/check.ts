/**
 * The fast check: one query to every safekeeper at once, on sessions that were opened before. Where a quorum is in sync, no
 * election has to be held before the basebackup is taken.
 *
 * Source: `compute_tools/src/sync_sk.rs`, `safekeeper/src/handler.rs` (`TIMELINE_STATUS`).
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import * as ConnectionString from "../../../domain/postgres/ConnectionString.ts"
import { type Lsn, parse } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { type Answer, decide, type Verdict } from "../../../domain/storage/SafekeeperQuorum.ts"
import { connectFailed, unexpected, type WireFailed } from "../../sql/wire/errors.ts"
import { open, type Session } from "../../sql/wire/Session.ts"

/** Milliseconds for one safekeeper, from the question on: connecting and authentication, as far as they are left, and query. */
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

/** Milliseconds for a connection that nobody waits for yet. */
const EARLY = 5_000
/** Milliseconds for which a session that nobody has used counts as good. */
const FRESH = 30_000

const failed = (reason: string): Answer => ({ _tag: "Failed", reason })

type Opening = Effect.Effect<Session, WireFailed, Scope.Scope>

const connect = (spec: ParsedSpec, address: string, connectTimeout = NET): Opening =>
  Effect.flatMap(
    Effect.fromResult(Result.mapError(ConnectionString.parse(`postgresql://no_user@${address}`), connectFailed)),
    (connection) =>
      open({
        connection,
        parameters: [
          ["client_encoding", "UTF8"],
          ["user", "no_user"],
          ["options", `-c timeline_id=${spec.timelineId} tenant_id=${spec.tenantId}`]
        ],
        password: spec.storageAuthToken,
        connectTimeout
      })
  )

/**
 * Begins to connect now. Whoever asks for the session later gets it when it is good, and a new one in place of what was
 * refused, has gone, or is so old that something on the way may have forgotten it.
 */
const connectEarly = (spec: ParsedSpec, address: string): Effect.Effect<Opening, never, Scope.Scope> =>
  Effect.gen(function* () {
    const own = yield* Scope.fork(yield* Effect.scope)
    const begun = performance.now()
    const opening = yield* Effect.forkScoped(Effect.option(connect(spec, address, EARLY)), {
      startImmediately: true
    }).pipe(Scope.provide(own))
    return Effect.gen(function* () {
      const early = performance.now() - begun < FRESH ? yield* Fiber.join(opening) : Option.none()
      if (Option.isSome(early) && (yield* early.value.isOpen)) return early.value
      yield* Scope.close(own, Exit.void)
      return yield* connect(spec, address)
    })
  })

const ask = (address: string, opening: Opening): Effect.Effect<Answer> =>
  Effect.gen(function* () {
    const session = yield* opening
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

/** An address and how to come by a session there. */
type Member = readonly [string, Opening]

const decideBy = (spec: ParsedSpec, members: ReadonlyArray<Member>): Effect.Effect<Lsn | null> =>
  Effect.gen(function* () {
    const answers: Array<Answer> = []
    const decided = yield* Deferred.make<Verdict>()
    // Zero means that there are none.
    const generations = (spec.safekeepersGeneration ?? 0) > 0
    let allHeard = false
    const settle = Effect.suspend(() => {
      const verdict = decide(members.length, answers, generations)
      const isOpen = verdict._tag === "Open" && !(allHeard && verdict.enough !== null)
      return isOpen ? Effect.void : Deferred.succeed(decided, verdict)
    })
    const heard = (answer: Answer) =>
      Effect.suspend(() => {
        answers.push(answer)
        return settle
      })
    for (const member of members) yield* Effect.forkScoped(Effect.flatMap(ask(...member), heard))
    const over = Effect.suspend(() => {
      allHeard = true
      return settle
    })
    yield* Effect.forkScoped(Effect.andThen(sliced(HEARD), over))
    yield* settle
    return yield* Effect.flatMap(Deferred.await(decided), conclude)
  }).pipe(Effect.scoped, Effect.withSpan("check_safekeepers_synced"))

/**
 * Begins to connect to all of them, so that the sessions are there when a start has come so far that it asks. What is given
 * asks them, once, and closes the sessions: the LSN at which a quorum is in sync, or null where it is not, or not known to be.
 * It never fails and takes at most 100 ms.
 */
export const checkEarly = (spec: ParsedSpec): Effect.Effect<Effect.Effect<Lsn | null>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sessions = yield* Scope.fork(yield* Effect.scope)
    const members = yield* Effect.forEach(spec.safekeepers, (address) =>
      Effect.map(Scope.provide(connectEarly(spec, address), sessions), (opening): Member => [address, opening])
    )
    return Effect.ensuring(decideBy(spec, members), Scope.close(sessions, Exit.void))
  })

/** The same at once. */
export const check = (spec: ParsedSpec): Effect.Effect<Lsn | null> => Effect.scoped(Effect.flatten(checkEarly(spec)))
