/**
 * The first process of a container is the parent of everybody whose own has ended, and has to wait for each of them. Node
 * waits for its own children only, so the others would stay as zombies until the process table is full. Under a small init
 * that waits for all, we are an ordinary process.
 */
import { accessSync, constants } from "node:fs"
import { isSea } from "node:sea"
import { inherited } from "./Environment.ts"

/** Programs made for this, and how they are told that their command begins. None passes a signal on to more than us. */
const INITS: ReadonlyArray<readonly [program: string, ...args: ReadonlyArray<string>]> = [
  ["/usr/bin/tini", "--"],
  ["/sbin/tini", "--"],
  ["/usr/local/bin/tini", "--"],
  ["/tini", "--"],
  ["/sbin/docker-init", "--"],
  ["/usr/libexec/docker/docker-init", "--"],
  ["/usr/bin/catatonit", "--"],
  ["/usr/bin/dumb-init", "--single-child", "--"]
]

const SHELL = "/bin/sh"

/**
 * A shell waits for all of its children, adopted ones too. What it is asked it passes on, and a wait that a signal cut short
 * is begun again, so that the exit code is ours. Its background commands get no standard input unless told so.
 */
const SCRIPT = `
for name in TERM INT QUIT HUP USR1 USR2 PWR; do
  trap "heard=1; [ -z \\"\\$child\\" ] || kill -$name \\$child" $name 2>/dev/null
done
"$@" <&0 &
child=$!
while :; do
  heard=
  wait $child
  code=$?
  [ -n "$heard" ] || break
done
exit $code
`

const isRunnable = (program: string): boolean => {
  try {
    accessSync(program, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Ourselves, as we were called. */
const own = (): ReadonlyArray<string> => [
  process.execPath,
  ...(isSea() ? [] : [...process.execArgv, ...process.argv.slice(1, 2)]),
  ...process.argv.slice(2)
]

export const isProcessOne = (): boolean => process.pid === 1

/**
 * As process 1: becomes an init that runs us. Returns where there is none, and to everybody else. It costs another start;
 * an image whose entry point is an init saves that.
 */
export const runUnderInit = (): void => {
  if (!isProcessOne() || process.execve === undefined) return
  const init = INITS.find(([program]) => isRunnable(program))
  if (init !== undefined) process.execve(init[0], [...init, ...own()], environment())
  else if (isRunnable(SHELL)) process.execve(SHELL, ["sh", "-c", SCRIPT, "init", ...own()], environment())
}

const environment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(inherited()).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
