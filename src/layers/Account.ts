/**
 * Whose processes Postgres and its tools are. Postgres refuses to run as root, so as root they get an unprivileged account.
 */
import * as fs from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface PostgresAccount {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

/** In order of preference; the first that exists is taken. */
const CANDIDATES = ["postgres", "nobody"]

/** Reads the account file itself: resolving a name through the system's library would load it on the start path. */
const lookUp = (): PostgresAccount | null => {
  const lines = fs.readFileSync("/etc/passwd", "utf8").split("\n")
  for (const name of CANDIDATES) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(":")
    if (fields !== undefined) return { name, uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  return null
}

export class Account extends Context.Tag("compute/Account")<
  Account,
  {
    /** Null when we are an ordinary user already, or root on a machine that has neither account. */
    readonly postgres: PostgresAccount | null
  }
>() {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      if (process.getuid?.() !== 0) return { postgres: null }
      const postgres = yield* Effect.try(lookUp).pipe(Effect.orElseSucceed(() => null))
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
