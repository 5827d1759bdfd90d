/**
 * `compute_ctl emulate`: everything a compute talks to, as a process of its own.
 */
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { TenantId, TimelineId } from "../../domain/spec/Ids.ts"
import * as Lsn from "../../domain/spec/Lsn.ts"
import { help as controlHelp } from "../../emulator/ControlPort.ts"
import { type Content, type EmulatorOptions, start } from "../../emulator/Emulator.ts"
import { Faults } from "../../emulator/Fault.ts"
import * as Tokens from "../../emulator/peers/Tokens.ts"
import { findPostgres } from "../../emulator/postgres/postgresBinaries.ts"
import type { Asked } from "../../emulator/World.ts"
import { Account } from "../../layers/machine/Account.ts"
import { workingDirectory } from "../../layers/machine/child/workingDirectory.ts"
import { limits, readText } from "../../layers/machine/RegularFile.ts"
import { Log } from "../../layers/observe/log/Log.ts"
import { type Flag, helpOf, parseFlags, UsageError, wholeNumber } from "../flags.ts"
import { complain, misused, print, wantsHelp } from "../output.ts"

const flag = (name: string, value: string | undefined, help: string, preset?: string): Flag => ({
  name,
  ...(value === undefined ? {} : { value }),
  help,
  ...(preset === undefined ? {} : { default: preset })
})

const host = flag("host", "ADDRESS", "Where all servers listen", "127.0.0.1")
const safekeepers = flag("safekeepers", "N", "Safekeepers of the quorum", "3")
const shards = flag("shards", "N", "Shards of the tenant, a pageserver each; 0 is an unsharded tenant", "0")
const portSafekeepers = flag("port-safekeepers", "PORT", "The first safekeeper's; the others follow", "free ones")
const portPageservers = flag("port-pageservers", "PORT", "The first pageserver's libpq port", "free ones")
const portGrpc = flag("port-grpc", "PORT", "The first pageserver's gRPC port", "free ones")
const portStorage = flag("port-endpoint-storage", "PORT", "Endpoint storage", "a free one")
const portExtensions = flag("port-extensions", "PORT", "Extension store", "a free one")
const portControlPlane = flag("port-control-plane", "PORT", "Control plane", "a free one")
const controlPort = flag("control-port", "PORT", "Faults and questions to the emulator itself", "a free one")
const pgbin = flag(
  "pgbin",
  "PATH",
  "The postgres to wrap [env: POSTGRES_PATH]",
  "one of the system, else the packaged one"
)
const fake = flag(
  "fake-postgres",
  undefined,
  "A postgres that is ready at once and does nothing, for measuring the rest"
)
const dir = flag("dir", "PATH", "Where the wrapped Postgres goes; kept", "a temporary folder, removed at the end")
const cache = flag("cache", "PATH", "Where the result of initdb is kept", "a folder under the temporary one")
const tenant = flag("tenant-id", "HEX", "The tenant that exists")
const timeline = flag("timeline-id", "HEX", "The timeline that exists")
const lsn = flag("lsn", "HI/LO", "Where the timeline stands", "0/1800000")
const content = flag(
  "content",
  "WHAT",
  "cluster, neon-shape, or a recorded basebackup.tar.gz",
  "cluster, neon-shape with --fake-postgres"
)
const replicaContent = flag("replica-content", "FILE", "A recorded basebackup.tar.gz for replicas")
const extensions = flag("extensions", "FOLDER", "Files that the extension store serves")
const spec = flag("spec", "FILE", "What the control plane answers for every compute: a config.json")
const faults = flag("faults", "FILE", "Faults that act from the beginning, as POST /faults takes them")
const auth = flag("auth", undefined, "Storage asks for tokens; one for the tenant is in the output")
const authKey = flag("auth-key", "X", "Storage asks for tokens of this Ed25519 key: the x of its JWK")
const quiet = flag("quiet", undefined, "Do not log what is asked")
const helpFlag: Flag = { name: "help", short: "h", help: "Print this" }

const portFlags = [
  portSafekeepers,
  portPageservers,
  portGrpc,
  portStorage,
  portExtensions,
  portControlPlane,
  controlPort
]
const flags = [
  ...[pgbin, fake, dir, cache, host, safekeepers, shards, ...portFlags],
  ...[tenant, timeline, lsn, content, replicaContent, extensions, spec, faults, auth, authKey, quiet, helpFlag]
]

const helpText = `compute_ctl emulate runs everything a compute talks to, on this machine: safekeepers, pageserver (libpq and gRPC),
endpoint storage, extension store and control plane, all speaking the real protocols. It prepares a Postgres whose
\`postgres --sync-safekeepers\` asks the emulated safekeepers and which has a stand-in for the neon extension.

When everything listens, one line of JSON on stdout says where: give a compute \`pgbin\` as --pgbin and the rest in its
spec. What is asked is logged on stderr. SIGINT and SIGTERM end it.

Usage: compute_ctl emulate [OPTIONS]

Options:
${helpOf(flags)}

The control port speaks HTTP:

${controlHelp
  .split("\n")
  .map((line) => (line === "" ? "" : `  ${line}`))
  .join("\n")}
Example: the next two basebackups break off in the middle.

  curl -d '{"peer":"pageserver","match":"basebackup","times":2,"action":{"do":"cut","after":40000}}' $CONTROL/faults
`

class FileUnusable extends Data.TaggedError("FileUnusable")<{ readonly message: string }> {}

const readFile = (file: string): Effect.Effect<string, FileUnusable> =>
  Effect.mapError(
    readText(file, limits.document),
    ({ reason }) => new FileUnusable({ message: `cannot read ${file}: ${reason}` })
  )

const readJson = <A, I>(schema: Schema.Codec<A, I>, file: string): Effect.Effect<A, FileUnusable> =>
  Effect.flatMap(readFile(file), (text) =>
    Effect.mapError(
      Schema.decodeEffect(Schema.fromJsonString(schema))(text),
      (fault) => new FileUnusable({ message: `${file}: ${fault.message}` })
    )
  )

/** Any `config.json`; the control plane's `status` is added when it is not there. */
const Config = Schema.StructWithRest(
  Schema.Struct({ status: Schema.optional(Schema.String), spec: Schema.optional(Schema.NullOr(Schema.ObjectKeyword)) }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)

const decoded = <A>(flag: Flag, text: string | undefined, decode: (text: string) => Result.Result<A, unknown>) =>
  text === undefined
    ? Result.succeed(undefined)
    : Result.mapError(decode(text), () => new UsageError({ message: `invalid value '${text}' for '--${flag.name}'` }))

interface Wanted {
  readonly options: Omit<EmulatorOptions, "account">
  readonly spec: string | undefined
  readonly faults: string | undefined
}

const note = (asked: Asked): void => {
  process.stderr.write(`${asked.peer} ${asked.member} ${asked.what}: ${asked.text}\n`)
}

const contentOf = (what: string | undefined, replica: string | undefined): Content | undefined => {
  if (what === undefined) return undefined
  if (what === "cluster") return { _tag: "Cluster" }
  if (what === "neon-shape") return { _tag: "NeonShape" }
  return { _tag: "Files", primary: what, ...(replica === undefined ? {} : { replica }) }
}

const choose = (argv: ReadonlyArray<string>): Result.Result<Wanted, UsageError> =>
  Result.gen(function* () {
    const map = yield* parseFlags(flags, argv)
    const text = (wanted: Flag) => map.get(wanted.name)
    const port = (wanted: Flag) => wholeNumber(map, wanted, 65_535)
    const near = [
      workingDirectory() ?? process.cwd(),
      path.dirname(process.execPath),
      path.dirname(process.argv[1] ?? ".")
    ]
    const isFake = map.has(fake.name)
    const server = text(pgbin) ?? process.env.POSTGRES_PATH ?? findPostgres(near)[0]
    if (!isFake && server === undefined) {
      const hint = "name one with --pgbin PATH, or take --fake-postgres"
      return yield* Result.fail(new UsageError({ message: "no Postgres of major 14 to 17 found", hint }))
    }
    const generated = map.has(auth.name) ? Tokens.generate() : undefined
    const foreign = yield* decoded(authKey, text(authKey), (x) => Result.try(() => Tokens.publicKey(x)))
    const options: Wanted["options"] = {
      pgbin: isFake ? null : (server ?? null),
      ports: {
        safekeepers: (yield* port(portSafekeepers)) ?? undefined,
        pageservers: (yield* port(portPageservers)) ?? undefined,
        grpc: (yield* port(portGrpc)) ?? undefined,
        storage: (yield* port(portStorage)) ?? undefined,
        extensions: (yield* port(portExtensions)) ?? undefined,
        controlPlane: (yield* port(portControlPlane)) ?? undefined,
        control: (yield* port(controlPort)) ?? undefined
      },
      host: text(host),
      safekeepers: (yield* wholeNumber(map, safekeepers, 31)) ?? undefined,
      shards: (yield* wholeNumber(map, shards, 128)) ?? undefined,
      tenant: yield* decoded(tenant, text(tenant), Schema.decodeResult(TenantId)),
      timeline: yield* decoded(timeline, text(timeline), Schema.decodeResult(TimelineId)),
      lsn: yield* decoded(lsn, text(lsn), Lsn.parse),
      content: contentOf(text(content), text(replicaContent)),
      extensions: text(extensions),
      dir: text(dir),
      cache: text(cache),
      tokenKey: generated,
      publicKeys: foreign === undefined ? undefined : [foreign],
      ...(map.has(quiet.name) ? {} : { log: note })
    }
    return { options, spec: text(spec), faults: text(faults) }
  })

/** Listens from now on; what comes back ends with SIGINT or SIGTERM. */
const signals = Effect.gen(function* () {
  const stopped = yield* Deferred.make<void>()
  const names = ["SIGINT", "SIGTERM"] as const
  const stop = () => Deferred.doneUnsafe(stopped, Effect.void)
  yield* Effect.acquireRelease(
    Effect.sync(() => names.forEach((name) => process.once(name, stop))),
    () => Effect.sync(() => names.forEach((name) => process.off(name, stop)))
  )
  return Deferred.await(stopped)
})

const serve = (wanted: Wanted) =>
  Effect.gen(function* () {
    const { postgres: account } = yield* Account
    const initial = wanted.faults === undefined ? [] : yield* readJson(Faults, wanted.faults)
    const config = wanted.spec === undefined ? undefined : yield* readJson(Config, wanted.spec)
    const emulator = yield* start({ ...wanted.options, account })
    emulator.world.faults = "peer" in initial ? [initial] : initial
    if (config !== undefined) {
      const status = config.status ?? (config.spec === undefined || config.spec === null ? "empty" : "attached")
      emulator.world.specs.set("*", { status: 200, body: JSON.stringify({ ...config, status }) })
    }
    yield* print(JSON.stringify(emulator.addresses))
    return yield* Effect.never
  }).pipe(Effect.scoped)

/** A signal ends it in order, also before it is up: a folder of its own stays behind otherwise. */
const serveUntilSignalled = (wanted: Wanted) =>
  Effect.flatMap(signals, (stopped) => Effect.raceFirst(serve(wanted), Effect.as(stopped, 0))).pipe(Effect.scoped)

const services = Account.layer.pipe(Layer.provideMerge(Log.layer({ format: "text" })))

/** Succeeds with the exit code: 0 after a signal, 1 when something could not start, 2 when the command line is wrong. */
export const emulate = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  if (wantsHelp(argv)) return Effect.as(print(helpText.trimEnd()), 0)
  const wanted = choose(argv)
  if (Result.isFailure(wanted)) return misused(wanted.failure)
  return serveUntilSignalled(wanted.success).pipe(
    Effect.catch((error) => Effect.as(complain(`Error: ${error.message}`), 1)),
    Effect.provide(services)
  )
}
