/**
 * Who ends Postgres when we could not: by SIGKILL, by a fault of the runtime, by the kernel that ran out of memory. A shell
 * that waits for the end of a pipe whose other end only we hold; the system closes it however we ended.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import type { PostgresAccount } from "../machine/Account.ts"

const SHELL = "/bin/sh"

/**
 * `$1`: the real path of the data directory. A line means that there is nothing left to do. Whoever works in the directory
 * when the pipe ends is asked to leave as Postgres wants to be asked, and killed after five seconds. Only they: the next
 * compute_ctl may have started a Postgres in the same place by then.
 */
const SCRIPT = `
read -r _ && exit
works_there() { case $(readlink "/proc/$1/cwd" 2>/dev/null) in "$dir" | "$dir (deleted)" | "$dir"/*) true ;; *) false ;; esac; }
dir=$1
found=
for process in /proc/[0-9]*; do
  pid=\${process#/proc/}
  if works_there "$pid"; then found="$found $pid"; fi
done
for pid in $found; do kill -QUIT "$pid"; done
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
  left=
  for pid in $found; do if works_there "$pid"; then left="$left $pid"; fi; done
  [ -n "$left" ] || exit
  sleep 0.2
done
for pid in $left; do kill -KILL "$pid"; done
`

/** Under Postgres' account: root in a container may not see where others' processes work. */
const start = (directory: string, account: PostgresAccount | null) =>
  Effect.sync(() => {
    const process = childProcess.spawn(SHELL, ["-c", SCRIPT, "compute_ctl-watchdog", fs.realpathSync(directory)], {
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
      cwd: "/",
      ...(account !== null && { uid: account.uid, gid: account.gid }),
      // A signal to our process group, or a Ctrl-C, is not for it.
      detached: true
    })
    // Where there is no shell, Postgres is found by the next start.
    process.on("error", () => undefined)
    process.stdin.on("error", () => undefined)
    return process
  })

const ended = (process: childProcess.ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (process.exitCode !== null || process.signalCode !== null || process.pid === undefined) resume(Effect.void)
    else process.once("exit", () => resume(Effect.void))
  })

/** Watches over the data directory, which is there, until the scope closes. */
export const watchOver = (directory: string, account: PostgresAccount | null) =>
  Effect.acquireRelease(start(directory, account), (process) =>
    Effect.andThen(
      Effect.sync(() => void process.stdin?.end("\n")),
      Effect.timeoutOption(ended(process), "1 second")
    )
  )
