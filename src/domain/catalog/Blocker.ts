/**
 * Who holds a lock that a statement of ours waits for.
 */
import * as Schema from "effect/Schema"

export const Blocker = Schema.Struct({
  /** Of the backend; null for a prepared transaction. */
  pid: Schema.NullOr(Schema.Finite),
  /** Its `application_name`, or the name of the prepared transaction. */
  application: Schema.String,
  user: Schema.NullOr(Schema.String),
  state: Schema.NullOr(Schema.String),
  /** RFC 3339: when its transaction began, or was prepared. */
  since: Schema.NullOr(Schema.String)
}).annotate({ identifier: "Blocker" })
export type Blocker = typeof Blocker.Type

/** Names come from users: quoted, and not longer than Postgres lets them be. */
const quoted = (text: string) => JSON.stringify(text.slice(0, 200))

const describe = ({ pid, application, user, state, since }: Blocker): string => {
  const facts = [
    ...(user === null ? [] : [`user ${quoted(user)}`]),
    ...(state === null ? [] : [state]),
    ...(since === null ? [] : [`since ${since}`])
  ].join(", ")
  const who =
    pid === null ? `prepared transaction ${quoted(application)}` : `pid ${pid}, application ${quoted(application)}`
  return facts === "" ? who : `${who}, ${facts}`
}

export const describeAll = (blockers: ReadonlyArray<Blocker>): string => blockers.map(describe).join("; ")
