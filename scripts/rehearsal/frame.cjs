// What stands around the bundle in the executable: `evaluate` runs the bundle and gives its exports.
//
// While the heap snapshot is made, the program is evaluated three times. The first two live through the acts of a rehearsal,
// are let go, and leave the bytecode of what has run; the last one, which has not run, is what the snapshot starts. So nothing
// that a rehearsal has seen or kept is in a module of it: no key, no path, no serial number, no memory of a layer.
const { setFlagsFromString, startupSnapshot } = process.getBuiltinModule("node:v8")

const write = (text) => process.getBuiltinModule("node:fs").writeSync(2, `${text}\n`)
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis))

/** Milliseconds until what an act has left must be gone, and for all of it. */
const PATIENCE = 5_000
const LIMIT = 120_000

/** What a rehearsal could leave in objects that are not the program's. */
const census = () =>
  JSON.stringify({
    listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
    globals: Reflect.ownKeys(globalThis).map(String)
  })

/** Until nothing is under way any more. */
const settled = async () => {
  const begun = performance.now()
  for (;;) {
    await pause(20)
    // Ours is one of the timers.
    const left = process.getActiveResourcesInfo()
    left.splice(left.indexOf("Timeout"), 1)
    if (left.length === 0) return
    if (performance.now() - begun < PATIENCE) continue
    throw new Error(
      `the rehearsal has left open: ${left.join(", ")}. Whatever a start opens belongs to a scope that closes with it; look ` +
        "for the socket, pipe, file or timer that has none (names are those of process.getActiveResourcesInfo)"
    )
  }
}

/** Each act by a program of its own, in order. Gives what tells whether they are gone. */
const rehearse = async () => {
  const acts = JSON.parse(process.env.REHEARSAL ?? "[]")
  delete process.env.REHEARSAL
  const traces = []
  for (const { argv, env } of acts) {
    const program = evaluate({ exports: {} })
    traces.push(new WeakRef(program))
    await program.preload()
    write(`rehearsed: ${await program.rehearse(argv, env)}`)
    await settled()
  }
  return traces
}

const checkThatGone = async (traces) => {
  await pause(10)
  // Collects all garbage before it counts.
  process.getBuiltinModule("node:v8").queryObjects(class {})
  await pause(10)
  if (traces.every((trace) => trace.deref() === undefined)) return
  throw new Error(
    "something outside of the rehearsed program still holds it, so that what it knew would be in the executable. Look for a " +
      "listener, a timer without a reference, or a function of it in an object of the runtime; " +
      "v8.writeHeapSnapshot() before this line shows the way to it"
  )
}

/** How the builder was called; the process that starts has its own. */
const forget = () => {
  process.argv = []
  process.execArgv = []
  process.execPath = ""
}

const prepare = async () => {
  // What has run stays compiled, however long ago that was. The flag is no part of the heap: V8 takes a cache of compiled
  // code only under the flags that it was made under, and the process that starts has this one at its default.
  setFlagsFromString("--no-flush-bytecode")
  const limit = setTimeout(() => {
    write("the rehearsal does not end")
    process.exit(1)
  }, LIMIT)
  const before = census()
  const traces = await withStandIns(rehearse)
  clearTimeout(limit)
  // Where Effect notes which fiber runs: none does.
  delete globalThis["~effect/Fiber/currentFiber"]
  const after = census()
  if (before !== after) throw new Error(`the rehearsal has changed the process; before:\n${before}\nafter:\n${after}`)
  await checkThatGone(traces)
  const program = evaluate({ exports: {} })
  await program.preload()
  program.seal()
  forget()
  startupSnapshot.addSerializeCallback(() => setFlagsFromString("--flush-bytecode"))
  startupSnapshot.setDeserializeMainFunction(program.main)
}

if (!startupSnapshot.isBuildingSnapshot()) evaluate({ exports: {} })
else
  prepare().catch((error) => {
    write(error.stack)
    process.exit(1)
  })
