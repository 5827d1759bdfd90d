/**
 * Runs steps on one session. What may share a transaction goes as one message; when that fails it was rolled back, and its
 * steps are tried one by one, so that each has its own result.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Step } from "../../../domain/catalog/plan/Step.ts"
import { SqlFailed } from "../../sql/errors.ts"
import type { SqlSession } from "../../sql/Sql.ts"
import { type Circumstances, fails, type Item } from "./failure.ts"
import type { Failure } from "./journal/journal.ts"
import type { Obstacles } from "./obstacles/obstacles.ts"

/** What executing needs beside a session. */
export interface Execution extends Circumstances {
  readonly obstacles: Obstacles
}

/** Steps of a message and characters of their statements: a hundred thousand roles are neither one text nor one transaction. */
const MOST_STEPS = 1000
const MOST_TEXT = 1024 * 1024

/** One message each: consecutive steps that may share a transaction, or one that stands alone. */
const messages = (items: ReadonlyArray<Item>): ReadonlyArray<ReadonlyArray<Item>> => {
  const all: Array<Array<Item>> = []
  let length = 0
  for (const item of items) {
    const last = all.at(-1)
    const added = Redacted.value(item.step.statement).length
    const isFull = last !== undefined && (last.length >= MOST_STEPS || length + added > MOST_TEXT)
    if (last === undefined || isFull || item.step.alone || last.at(-1)?.step.alone === true) {
      all.push([item])
      length = added
    } else {
      last.push(item)
      length += added
    }
  }
  return all
}

/** Several statements in one message are one transaction. */
const text = (items: ReadonlyArray<Item>): string => items.map(({ step }) => Redacted.value(step.statement)).join(";\n")

/** Parameters of a statement are not part of its text, wherever that is shown. */
const SET_PASSWORDS = `UPDATE pg_catalog.pg_authid AS a SET rolpassword = given.verifier
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.name[]), pg_catalog.unnest($2::pg_catalog.text[])) AS given (role, verifier)
  WHERE a.rolname OPERATOR(pg_catalog.=) given.role RETURNING a.rolname`

const setPasswords = (session: SqlSession, items: ReadonlyArray<Item>): Effect.Effect<void, SqlFailed> => {
  // A role that is given twice keeps the last one.
  const passwords = new Map(
    items.flatMap(({ step: { password } }) => (password === null ? [] : [[password.role, password]]))
  )
  if (passwords.size === 0) return Effect.void
  const all = [...passwords.values()]
  return session
    .query(SET_PASSWORDS, [all.map(({ role }) => role), all.map(({ verifier }) => Redacted.value(verifier))])
    .pipe(
      Effect.filterOrFail(
        (rows) => rows.length === all.length,
        () => SqlFailed.of("a role is gone whose password is to be set", "42704")
      )
    )
}

/** One transaction. */
const run = (session: SqlSession, items: ReadonlyArray<Item>): Effect.Effect<void, SqlFailed> => {
  if (items.every(({ step: { password } }) => password === null)) return session.script(text(items))
  return session.script(`BEGIN;\n${text(items)}`).pipe(
    Effect.andThen(setPasswords(session, items)),
    Effect.andThen(session.script("COMMIT")),
    Effect.tapError(() => Effect.ignore(session.script("ROLLBACK")))
  )
}

/** Objects a span names. */
const NAMED = 50

const spanOf = (items: ReadonlyArray<Item>) => ({
  attributes: {
    phase: [...new Set(items.map(({ phase }) => phase))].join(", "),
    "compute.objects": items
      .slice(0, NAMED)
      .map(({ step }) => step.object)
      .join(", ")
  }
})

const send = (session: SqlSession, items: ReadonlyArray<Item>, { journal, obstacles }: Execution) => {
  const steps = items.map(({ step }) => step)
  const sent = Effect.withSpan(run(session, items), "db_apply_changes", spanOf(items))
  return Effect.andThen(journal.began(steps), obstacles.around(session, steps, sent)).pipe(
    Effect.andThen(journal.done(steps))
  )
}

/** In the server's words for a value that it does not take. */
const refusalOf = ({ object }: Step, reason: string) => SqlFailed.of(`${object}: ${reason}`, "22023")

const sendOne = (session: SqlSession, item: Item, execution: Execution): Effect.Effect<ReadonlyArray<Failure>> =>
  (item.step.refused === null
    ? send(session, [item], execution)
    : Effect.andThen(execution.journal.began([item.step]), refusalOf(item.step, item.step.refused))
  ).pipe(
    Effect.as([]),
    Effect.catch((error) => fails(execution, item, error))
  )

/** The connection is gone; a statement that failed has a code. */
export const isLost = ({ error }: { readonly error: SqlFailed }): boolean =>
  error.sqlstate === null || error.sqlstate.startsWith("57P")

export const LOST = "the connection was lost"

/**
 * Runs all, in order, but what depends on something that failed before, here or in another session. Ends when the
 * connection is lost. Succeeds with what failed.
 */
export const execute = (
  session: SqlSession,
  items: ReadonlyArray<Item>,
  execution: Execution
): Effect.Effect<ReadonlyArray<Failure>> =>
  Effect.gen(function* () {
    const { journal } = execution
    const failures: Array<Failure> = []
    let lost = false
    const add = (failed: ReadonlyArray<Failure>) => {
      for (const failure of failed) {
        failures.push(failure)
        lost ||= isLost(failure)
      }
    }
    /** Those that nothing stands in the way of. */
    const ready = (message: ReadonlyArray<Item>) =>
      Effect.filter(message, ({ step }) => {
        const because = lost ? LOST : journal.obstacle(step.needs)
        return because === null ? Effect.succeed(true) : Effect.as(journal.skipped([step], because), false)
      })
    const oneByOne = (message: ReadonlyArray<Item>) =>
      Effect.forEach(
        message,
        (item) =>
          Effect.flatMap(ready([item]), (alone) =>
            Effect.forEach(alone, (one) => Effect.map(sendOne(session, one, execution), add))
          ),
        { discard: true }
      )
    for (const whole of messages(items)) {
      const message = yield* ready(whole)
      if (message.length <= 1) {
        yield* oneByOne(message)
        continue
      }
      const sent = yield* Effect.result(send(session, message, execution))
      if (sent._tag === "Success") continue
      yield* journal.undone(message.map(({ step }) => step))
      yield* oneByOne(message)
    }
    return failures
  })
