/**
 * Whose processes Postgres and its tools are. Postgres refuses to run as root, so as root they get an unprivileged account.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { limits, readText } from "./RegularFile.ts"

export interface PostgresAccount {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

/** In order of preference; the first that exists is taken. */
const CANDIDATES = ["postgres", "nobody"]

/** In the account file itself: resolving a name through the system's library would load it on the start path. */
const lookUp = (accounts: string): PostgresAccount | null => {
  const lines = accounts.split("\n")
  for (const name of CANDIDATES) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(":")
    if (fields !== undefined) return { name, uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  return null
}

export class Account extends Context.Service<
  Account,
  {
    /** Null when we are an ordinary user already, or root on a machine that has neither account. */
    readonly postgres: PostgresAccount | null
  }
>()("compute/Account") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      if (process.getuid?.() !== 0) return { postgres: null }
      const postgres = yield* readText("/etc/passwd", limits.settings).pipe(
        Effect.map(lookUp),
        Effect.catch(({ message }) => Effect.as(Effect.logWarning(message), null))
      )
      yield* postgres === null
        ? Effect.logWarning(
            "running as root, and there is no account `postgres` or `nobody`: Postgres will refuse to start"
          )
        : Effect.logInfo(
            `running as root: Postgres and its files get the account ${postgres.name}, because it refuses root`
          )
      return { postgres }
    })
  )
}
