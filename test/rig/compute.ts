/**
 * The program under test, run from outside: `COMPUTE_CTL_BIN`, else `dist/compute_ctl`, else the bundle or the sources on
 * the pinned Node.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import { freePorts } from "./freePort.ts"
import { type Answer, type HttpFailed, http, type Request } from "./http.ts"
import { account, root, tempDir } from "./postgres.ts"
import { killProcesses, type Process, processesOf } from "./processes.ts"
import { makeConfig, makeSpec, type Setting, type SpecJson } from "./spec.ts"
import { adminToken, sign } from "./tokens.ts"
import { NET } from "./waits.ts"

export class ComputeFailed extends Data.TaggedError("ComputeFailed")<{ readonly message: string }> {}

/** Program and leading arguments. */
export const program = (): ReadonlyArray<string> => {
  const chosen = process.env["COMPUTE_CTL_BIN"]
  if (chosen !== undefined) return [path.resolve(root, chosen)]
  const binary = path.join(root, "dist/compute_ctl")
  if (fs.existsSync(binary)) return [binary]
  const bundle = path.join(root, "dist/compute_ctl.cjs")
  return [process.execPath, fs.existsSync(bundle) ? bundle : path.join(root, "src/main.ts")]
}

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export interface Running {
  readonly pid: number
  readonly ended: Effect.Effect<Ended>
  /** Everything written so far, both streams in order of arrival. */
  readonly log: () => string
  readonly stdout: () => string
  /** Waits until this was written, without the delay of a poll; for ever when it never is. */
  readonly written: (text: string) => Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => void
  /** Starts to read a stderr that was `unread`. */
  readonly readStderr: () => void
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Default `read`. `unread`: a socket that nobody reads; a number: that descriptor of ours, which stays ours to close. */
  readonly stderr?: "read" | "unread" | number
  /** As root: run as Postgres' account, as an ordinary user would. */
  readonly ordinary?: boolean
  /** Another than the one under test, with its leading arguments. */
  readonly program?: ReadonlyArray<string>
}

/** The environment of a service: nothing of the test runner's. */
const cleanEnv = (): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  OTEL_SDK_DISABLED: "true",
  ...(process.env["TMPDIR"] === undefined ? {} : { TMPDIR: process.env["TMPDIR"] })
})

/** Runs the program with these arguments; with the scope it is killed. */
export const runProgram = (
  args: ReadonlyArray<string>,
  options: ProgramOptions = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.gen(function* () {
    const [command = "", ...leading] = options.program ?? program()
    const ended = yield* Deferred.make<Ended>()
    let all = ""
    let stdout = ""
    const waiting = new Set<() => void>()
    const add = (part: Buffer | string) => {
      all += part
      for (const look of waiting) look()
    }
    const child = spawn(command, [...leading, ...args], {
      stdio: ["ignore", "pipe", typeof options.stderr === "number" ? options.stderr : "pipe"],
      env: { ...cleanEnv(), ...options.env },
      cwd: options.cwd ?? root,
      ...(options.ordinary === true && account !== null && { uid: account.uid, gid: account.gid })
    })
    child.stdout?.on("data", (part: Buffer) => {
      stdout += part
      add(part)
    })
    const readStderr = () => {
      child.stderr?.on("data", add)
    }
    if (options.stderr !== "unread") readStderr()
    child.on("error", (cause) => {
      add(cause.message)
      Effect.runSync(Deferred.succeed(ended, { code: 127, signal: null }))
    })
    // Descendants may hold the pipes open: the exit counts, after a moment for the last words.
    child.on("exit", (code, signal) => {
      setTimeout(() => Effect.runSync(Deferred.succeed(ended, { code, signal })), 20)
    })
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        if (child.exitCode === null && child.signalCode === null) {
          child.kill("SIGTERM")
          // A finalizer cannot be interrupted, and a wait in it would never time out.
          yield* Deferred.await(ended).pipe(Effect.timeout("15 seconds"), Effect.interruptible, Effect.ignore)
          child.kill("SIGKILL")
        }
        child.stdout?.destroy()
        child.stderr?.destroy()
      })
    )
    return {
      pid: child.pid ?? 0,
      ended: Deferred.await(ended),
      log: () => all,
      stdout: () => stdout,
      written: (text) =>
        Effect.callback<void>((resume) => {
          const look = () => {
            if (all.includes(text) && waiting.delete(look)) resume(Effect.void)
          }
          waiting.add(look)
          look()
          return Effect.sync(() => waiting.delete(look))
        }),
      signal: (signal: NodeJS.Signals) => void child.kill(signal),
      readStderr
    }
  })

export interface ComputeOptions extends ProgramOptions {
  readonly emulator: Emulator
  /** Merged over the default spec; null = start empty. */
  readonly spec?: SpecJson | null
  readonly settings?: ReadonlyArray<Setting>
  /** Merged over `config.json`. */
  readonly config?: SpecJson
  /** `control-plane` gets the config from the emulated one instead of a file. */
  readonly source?: "file" | "control-plane"
  readonly args?: ReadonlyArray<string>
  /** `-c name=value ...` of `--connstr`: they have the last word over the program's own. */
  readonly sessionOptions?: string
  /** Default `compute-rig`. */
  readonly computeId?: string
  readonly pgbin?: string
  /** A data directory or ports of an earlier compute. */
  readonly dir?: string
  readonly ports?: Ports
}

export interface Ports {
  readonly external: number
  readonly internal: number
  readonly postgres: number
}

/** As in the recorded cases: `token` claims to sign; text as it is; null none; absent the administrator's. */
export interface ApiRequest {
  readonly method?: string
  readonly path: string
  readonly server?: "external" | "internal"
  readonly token?: object | string | null
  readonly headers?: Readonly<Record<string, string>>
  /** Text as it is; anything else as JSON with its content type. */
  readonly body?: unknown
  /** Milliseconds to wait for the answer. */
  readonly limit?: number
}

export interface Compute extends Running {
  readonly dir: string
  readonly pgdata: string
  readonly configPath: string
  readonly ports: Ports
  /** The spec it was given, or would be by `/configure`. */
  readonly spec: SpecJson
  readonly connstr: string
  readonly http: (request: ApiRequest) => Effect.Effect<Answer, HttpFailed>
  /** `/status`'s body; null while nobody answers. */
  readonly status: Effect.Effect<SpecJson | null>
  /** Waits until `/status` says one of these; fails when the process ends or the limit passes. */
  readonly waitFor: (statuses: string | ReadonlyArray<string>, limit?: number) => Effect.Effect<SpecJson, ComputeFailed>
  /** Waits until the log contains this. */
  readonly waitForLog: (text: string | RegExp, limit?: number) => Effect.Effect<void, ComputeFailed>
  readonly configure: (spec: SpecJson) => Effect.Effect<Answer, HttpFailed>
  /** Rows as `psql -AtX` shows them. */
  readonly sql: (
    query: string,
    options?: { readonly database?: string; readonly user?: string; readonly password?: string }
  ) => Effect.Effect<string, ComputeFailed>
  /** Processes that still work in this compute's folder. */
  readonly processes: Effect.Effect<ReadonlyArray<Process>>
}

const request = (ports: Ports, wanted: ApiRequest): Request => {
  const { method = "GET", path: where, server = "external", token, headers = {}, body } = wanted
  const bearer =
    token === null ? undefined : typeof token === "string" ? token : token === undefined ? adminToken() : sign(token)
  const isJson = body !== undefined && typeof body !== "string"
  return {
    method,
    port: ports[server],
    path: where,
    headers: {
      ...(bearer === undefined ? {} : { authorization: typeof token === "string" ? token : `Bearer ${bearer}` }),
      ...(isJson ? { "content-type": "application/json" } : {}),
      ...headers
    },
    ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : String(body) })
  }
}

const raw = { getTypeParser: () => (value: string | Buffer) => value }

const query = (
  port: number,
  text: string,
  options: { readonly database?: string; readonly user?: string; readonly password?: string }
) =>
  Effect.tryPromise({
    try: async (): Promise<string> => {
      const { database = "postgres", user = "cloud_admin", password } = options
      const client = new pg.Client({
        host: "127.0.0.1",
        port,
        database,
        user,
        ...(password === undefined ? {} : { password }),
        types: raw,
        connectionTimeoutMillis: 10_000
      })
      client.on("error", () => {})
      try {
        await client.connect()
        const results = await client.query<Array<string | null>>({ text, rowMode: "array" })
        return [results]
          .flat()
          .flatMap((result) =>
            result.fields.length > 0
              ? result.rows.map((row) => row.map((value) => value ?? "").join("|"))
              : [tag(result)]
          )
          .join("\n")
      } finally {
        await client.end()
      }
    },
    catch: (cause) => new ComputeFailed({ message: cause instanceof Error ? cause.message : String(cause) })
  })

/** The command tag as psql prints it. */
const tag = (result: { readonly command: string; readonly rowCount: number | null }): string =>
  result.rowCount === null ? result.command : `${result.command} ${result.rowCount}`

/** The rig's own questions are not what one looks for in a log. */
const withoutPolls = (log: string): string => {
  const polls = new Set(Array.from(log.matchAll(/GET \/status request_id=(\S+)/g), ([, id]) => id))
  return log
    .split("\n")
    .filter((line) => !polls.has(/request_id=(\S+)/.exec(line)?.[1]))
    .join("\n")
}

/** What ended it stands before all that is written while it ends. */
const errorsOf = (log: string): string => {
  const lines = log
    .split("\n")
    .filter((line) => / (ERROR|FATAL|PANIC)[ :]|"(level|error_severity)": ?"ERROR"/.test(line.slice(0, 200)))
  return lines
    .slice(-10)
    .map((line) => `> ${line.slice(0, 500)}\n`)
    .join("")
}

const until = <A>(
  limit: number,
  check: Effect.Effect<A | null>,
  running: Running,
  what: string
): Effect.Effect<A, ComputeFailed> => {
  const failed = (why: string) =>
    new ComputeFailed({
      message: `${what}: ${why}\n${errorsOf(running.log())}${withoutPolls(running.log()).slice(-6000)}`
    })
  const poll: Effect.Effect<A> = Effect.flatMap(check, (found) =>
    found === null
      ? Effect.delay(
          Effect.suspend(() => poll),
          10
        )
      : Effect.succeed(found)
  )
  return Effect.raceFirst(
    poll,
    Effect.flatMap(running.ended, (ended) =>
      // What was waited for may have come just before the end.
      Effect.flatMap(check, (found) =>
        found === null ? failed(`ended ${JSON.stringify(ended)}`) : Effect.succeed(found)
      )
    )
  ).pipe(Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(failed(`not within ${limit} ms`)) }))
}

/** Starts a compute on the emulator; with the scope it and all it started are gone. */
export const startCompute = (options: ComputeOptions): Effect.Effect<Compute, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { emulator, computeId = "compute-rig", source = "file" } = options
    const dir = options.dir ?? (yield* tempDir("compute-"))
    const [external = 0, internal = 0, postgres = 0] = yield* freePorts(3)
    const ports = options.ports ?? { external, internal, postgres }
    const pgdata = path.join(dir, "pgdata")
    const socketDir = path.join(dir, "sock")
    yield* Effect.sync(() => {
      fs.mkdirSync(socketDir, { recursive: true })
      if (account !== null) fs.chownSync(socketDir, account.uid, account.gid)
      if (account !== null && options.ordinary === true) fs.chownSync(dir, account.uid, account.gid)
    })
    const spec = makeSpec(
      emulator.addresses,
      { port: ports.postgres, socketDir },
      options.spec ?? {},
      options.settings ?? []
    )
    const config = makeConfig(options.spec === null ? null : spec, options.config)
    const configPath = path.join(dir, "config.json")
    yield* Effect.sync(() => fs.writeFileSync(configPath, JSON.stringify(config, null, 1)))
    if (source === "control-plane") {
      const status = options.spec === null ? "empty" : "attached"
      emulator.world.specs.set(computeId, { status: 200, body: JSON.stringify({ ...config, status }) })
    }
    const connstr = `postgresql://cloud_admin@127.0.0.1:${ports.postgres}/postgres`
    const more = options.sessionOptions === undefined ? "" : `?options=${encodeURIComponent(options.sessionOptions)}`
    const running = yield* runProgram(
      [
        ...["--pgbin", options.pgbin ?? emulator.addresses.pgbin, "--pgdata", pgdata],
        ...["--connstr", `${connstr}${more}`],
        ...["--compute-id", computeId],
        ...["--external-http-port", String(ports.external), "--internal-http-port", String(ports.internal)],
        ...(source === "file" ? ["--config", configPath] : ["--control-plane-uri", emulator.addresses.control_plane]),
        ...(options.args ?? [])
      ],
      options
    )
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        running.signal("SIGTERM")
        yield* running.ended.pipe(Effect.timeout("15 seconds"), Effect.interruptible, Effect.ignore)
        running.signal("SIGKILL")
        yield* killProcesses(dir)
      })
    )
    const api = (wanted: ApiRequest) => http(request(ports, wanted), wanted.limit)
    const status = api({ path: "/status", limit: 5000 }).pipe(
      Effect.map((answer): SpecJson | null => (answer.status === 200 ? JSON.parse(answer.body) : null)),
      Effect.orElseSucceed(() => null)
    )
    return {
      ...running,
      dir,
      pgdata,
      configPath,
      ports,
      spec,
      connstr,
      http: api,
      status,
      waitFor: (statuses, limit = NET) => {
        const wanted = [statuses].flat()
        const check = Effect.map(status, (body) => (body !== null && wanted.includes(body["status"]) ? body : null))
        return until(limit, check, running, `status ${wanted.join(" or ")}`)
      },
      waitForLog: (text, limit = NET) => {
        const check = Effect.sync(() => {
          const log = running.log()
          return (typeof text === "string" ? log.includes(text) : text.test(log)) ? true : null
        })
        return Effect.asVoid(until(limit, check, running, `log line ${text}`))
      },
      configure: (wanted) => api({ method: "POST", path: "/configure", body: makeConfig(wanted) }),
      sql: (text, how = {}) => query(ports.postgres, text, how),
      processes: processesOf(dir)
    }
  })
