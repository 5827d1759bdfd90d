/**
 * `compute_ctl emulate`: everything a compute talks to, as a process of its own.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { SERVED } from "../../../domain/postgres/Majors.ts"
import { TenantId, TimelineId } from "../../../domain/spec/Ids.ts"
import * as Lsn from "../../../domain/spec/Lsn.ts"
import { type Content, type EmulatorOptions, start } from "../../../emulator/Emulator.ts"
import { Faults } from "../../../emulator/Fault.ts"
import * as Tokens from "../../../emulator/peers/Tokens.ts"
import type { Asked } from "../../../emulator/World.ts"
import { Account } from "../../../layers/machine/Account.ts"
import { limits, readText } from "../../../layers/machine/RegularFile.ts"
import { Log } from "../../../layers/observe/log/Log.ts"
import { UsageError } from "../../flags.ts"
import { complain, print } from "../../output.ts"
import { choosePostgres } from "./dev/postgres.ts"

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

export interface EmulateOptions {
  readonly pgbin: string | null
  readonly fakePostgres: boolean
  readonly dir: string | null
  readonly cache: string | null
  readonly host: string | null
  readonly safekeepers: number | null
  readonly shards: number | null
  readonly portSafekeepers: number | null
  readonly portPageservers: number | null
  readonly portGrpc: number | null
  readonly portEndpointStorage: number | null
  readonly portExtensions: number | null
  readonly portControlPlane: number | null
  readonly controlPort: number | null
  readonly tenantId: string | null
  readonly timelineId: string | null
  readonly lsn: string | null
  readonly content: string | null
  readonly replicaContent: string | null
  readonly extensions: string | null
  readonly spec: string | null
  readonly faults: string | null
  readonly auth: boolean
  readonly authKey: string | null
  readonly quiet: boolean
}

const decoded = <A>(
  name: string,
  expected: string,
  text: string | null,
  decode: (text: string) => Result.Result<A, unknown>
) =>
  text === null
    ? Effect.succeed(undefined)
    : Effect.mapError(
        Effect.fromResult(decode(text)),
        () => new UsageError({ message: `invalid value '${text}' for '--${name}': not ${expected}` })
      )

const HEX = "32 hexadecimal digits"

interface Wanted {
  readonly options: Omit<EmulatorOptions, "account">
  readonly spec: string | null
  readonly faults: string | null
}

const note = (asked: Asked): void => {
  process.stderr.write(`${asked.peer} ${asked.member} ${asked.what}: ${asked.text}\n`)
}

const contentOf = (what: string | null, replica: string | null): Content | undefined => {
  if (what === null) return undefined
  if (what === "cluster") return { _tag: "Cluster" }
  if (what === "neon-shape") return { _tag: "NeonShape" }
  return { _tag: "Files", primary: what, ...(replica === null ? {} : { replica }) }
}

const choose = (given: EmulateOptions): Effect.Effect<Wanted, UsageError> =>
  Effect.gen(function* () {
    const server = given.fakePostgres ? null : yield* choosePostgres(given.pgbin)
    if (!given.fakePostgres && server === null) {
      const hint = "name one with --pgbin PATH, or take --fake-postgres"
      return yield* new UsageError({ message: `no ${SERVED} found`, hint })
    }
    const foreign = yield* decoded("auth-key", "the x of an Ed25519 key", given.authKey, (x) =>
      Result.try(() => Tokens.publicKey(x))
    )
    const options: Wanted["options"] = {
      pgbin: server,
      ports: {
        safekeepers: given.portSafekeepers ?? undefined,
        pageservers: given.portPageservers ?? undefined,
        grpc: given.portGrpc ?? undefined,
        storage: given.portEndpointStorage ?? undefined,
        extensions: given.portExtensions ?? undefined,
        controlPlane: given.portControlPlane ?? undefined,
        control: given.controlPort ?? undefined
      },
      host: given.host ?? undefined,
      safekeepers: given.safekeepers ?? undefined,
      shards: given.shards ?? undefined,
      tenant: yield* decoded("tenant-id", HEX, given.tenantId, Schema.decodeResult(TenantId)),
      timeline: yield* decoded("timeline-id", HEX, given.timelineId, Schema.decodeResult(TimelineId)),
      lsn: yield* decoded("lsn", "a position as 0/1800000", given.lsn, Lsn.parse),
      content: contentOf(given.content, given.replicaContent),
      extensions: given.extensions ?? undefined,
      dir: given.dir ?? undefined,
      cache: given.cache ?? undefined,
      tokenKey: given.auth ? Tokens.generate() : undefined,
      publicKeys: foreign === undefined ? undefined : [foreign],
      ...(given.quiet ? {} : { log: note })
    }
    return { options, spec: given.spec, faults: given.faults }
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

const serve = Effect.fnUntraced(function* (wanted: Wanted) {
  const { postgres: account } = yield* Account
  const initial = wanted.faults === null ? [] : yield* readJson(Faults, wanted.faults)
  const config = wanted.spec === null ? undefined : yield* readJson(Config, wanted.spec)
  const emulator = yield* start({ ...wanted.options, account })
  emulator.world.faults = "peer" in initial ? [initial] : initial
  if (config !== undefined) {
    const status = config.status ?? (config.spec === undefined || config.spec === null ? "empty" : "attached")
    emulator.world.specs.set("*", { status: 200, body: JSON.stringify({ ...config, status }) })
  }
  yield* print(JSON.stringify(emulator.addresses))
  return yield* Effect.never
}, Effect.scoped)

/** A signal ends it in order, also before it is up: a folder of its own stays behind otherwise. */
const serveUntilSignalled = (wanted: Wanted) =>
  Effect.flatMap(signals, (stopped) => Effect.raceFirst(serve(wanted), Effect.as(stopped, 0))).pipe(Effect.scoped)

const services = Account.layer.pipe(Layer.provideMerge(Log.layer({ format: "text" })))

/** Succeeds with the exit code: 0 after a signal, 1 when something could not start. */
export const emulate = (given: EmulateOptions) =>
  Effect.flatMap(choose(given), (wanted) =>
    serveUntilSignalled(wanted).pipe(
      Effect.catch((error) => Effect.as(complain(`Error: ${error.message}`), 1)),
      Effect.provide(services)
    )
  )
