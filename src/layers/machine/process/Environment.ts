/**
 * The variables that were given to us, and who may read them. Some steer the runtime and the libraries inside of us, and
 * belong to other programs that happen to run on the same ones.
 */

/**
 * Of the runtime: an inherited channel, a debugger's or a coverage tool's wish, whether certificates are looked at. The
 * runtime reads some of them before any of our code runs.
 */
const RUNTIME = /^(?:NODE_|UV_)|^WATCH_REPORT_DEPENDENCIES$/
/** Of the drivers: whom to connect to, how, and what to trace. */
const DRIVERS = /^(?:PG(?!BOUNCER_)|GRPC_|UNDICI_|WS_NO_)|^(?:no_)?grpc_proxy$/
/**
 * Threads for calls that block. Two may be in one that never returns: a log that nobody reads, a file that is a pipe. The
 * others have to do with the rest.
 */
const THREADS = "8"

type Environment = Record<string, string | undefined>

const without = (env: Environment, names: RegExp): Environment => {
  for (const name of Object.keys(env)) if (names.test(name)) delete env[name]
  return env
}

const define = (descriptor: PropertyDescriptor) =>
  Object.defineProperty(process, "env", { configurable: true, enumerable: true, ...descriptor })

/**
 * Called while the heap snapshot is made: whoever asks a process that starts from it for its variables, the runtime's own
 * preparations included, does not find the runtime's among them.
 */
export const hideFromRuntime = (): void => {
  const env = process.env
  define({ get: () => without(env, RUNTIME) })
}

let given: Environment | undefined

/** Called first in a process: libraries find what is theirs no more. */
export const hideFromLibraries = (): void => {
  given = without(process.env, RUNTIME)
  // Read by the runtime itself, when the first thread is needed.
  given["UV_THREADPOOL_SIZE"] = THREADS
  define({ value: without({ ...given }, DRIVERS), writable: true })
}

/** What the programs that we start inherit. */
export const inherited = (): Environment => given ?? process.env
