/**
 * A distribution whose server does what a test says: everything else in it is the emulator's.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import { tempDir } from "./postgres.ts"

/**
 * Asked for a version or to sync, the emulator's server answers. `$data` is the data directory, `ready` tells that
 * connections are accepted, `await NAME` waits for `allow`: in a compute, not while it warms up.
 */
const head = (server: string) => `#!/bin/sh
case "\${1-}" in --sync-safekeepers | --version | -V) exec '${server}' "$@" ;; esac
while [ $# -gt 0 ]; do
  case "$1" in -D) data=$2 && shift ;; esac
  shift
done
await() { case "$data" in */pgdata) until [ -e "$data/../$1" ]; do sleep 0.05; done ;; esac; }
ready() { printf '%s\\n%s\\n0\\n5432\\n\\n127.0.0.1\\n\\nready   \\n' "$$" "$data" >"$data/postmaster.pid"; }
`

/** Ends an `await` of a script: what has to be done before has been done. */
export const allow = (compute: { readonly dir: string }, name: string): Effect.Effect<void> =>
  Effect.sync(() => fs.writeFileSync(path.join(compute.dir, name), ""))

/** The path of the server. `programs`: scripts that stand beside it, by name. */
export const scriptedPostgres = (
  emulator: Emulator,
  script: string,
  programs: Readonly<Record<string, string>> = {}
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(tempDir("server-"), (dir) => {
    const { pgbin } = emulator.addresses
    const scripts: Readonly<Record<string, string>> = { postgres: head(pgbin) + script, ...programs }
    fs.chmodSync(dir, 0o755)
    for (const name of fs.readdirSync(path.dirname(pgbin))) {
      if (!Object.hasOwn(scripts, name)) fs.symlinkSync(path.join(path.dirname(pgbin), name), path.join(dir, name))
    }
    for (const [name, text] of Object.entries(scripts)) fs.writeFileSync(path.join(dir, name), text, { mode: 0o755 })
    return path.join(dir, "postgres")
  })
