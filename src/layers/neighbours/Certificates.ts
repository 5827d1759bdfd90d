/**
 * The TLS key pair that comes with the machine and is renewed under our hands.
 *
 * Source: `compute_tools/src/tls.rs`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { TlsConfig } from "../../domain/spec/ComputeSpec.ts"
import { MachineConfig } from "../compute/Options.ts"
import { CertificatesUnusable, type KeyPair, loadPair } from "./keyPair.ts"

export { CertificatesUnusable, type KeyPair } from "./keyPair.ts"

/** How long a start waits for a usable pair. */
const READY_LIMIT = Duration.seconds(60)
const READY_POLL = Duration.millis(200)
/** The net under file events, which some mounts do not deliver. */
const CHANGE_POLL = Duration.seconds(60)
/** A renewal writes several files; its events come together. */
const SETTLE = Duration.millis(200)
/** Seconds for which the halves of a renewed pair may differ before the next event or poll is waited for. */
const RENEWAL_TRIES = 10

export class Certificates extends Context.Service<
  Certificates,
  {
    /** Succeeds as soon as the pair is readable and matches; fails with the last reason after 60 s. At once without TLS. */
    readonly ready: Effect.Effect<void, CertificatesUnusable>
    /** The pair as it is now. */
    readonly pair: Effect.Effect<KeyPair, CertificatesUnusable>
    /** The digest of every usable pair that differs from the one before it, beginning with the one last taken by `pair`. */
    readonly changes: Stream.Stream<string>
  }
>()("compute/Certificates") {
  static readonly layer = Layer.effect(
    this,
    Effect.flatMap(MachineConfig, (machine) => (machine.tls === null ? Effect.succeed(absent) : make(machine.tls)))
  )
}

const absent = Certificates.of({
  ready: Effect.void,
  pair: Effect.fail(new CertificatesUnusable({ path: "", message: "no TLS key pair is configured" })),
  changes: Stream.empty
})

/** Anything that happens in the directories of both files: a mounted secret is swapped by renaming a link beside them. */
const events = (tls: TlsConfig): Stream.Stream<void> =>
  Stream.callback<void>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const directories = new Set([tls.cert_path, tls.key_path].map((file) => path.dirname(file)))
          return [...directories].flatMap((directory) => {
            try {
              const watcher = fs.watch(directory, { persistent: false }, () => Queue.offerUnsafe(queue, undefined))
              watcher.on("error", () => watcher.close())
              return [watcher]
            } catch {
              return []
            }
          })
        }),
        (watchers) =>
          Effect.sync(() => {
            for (const watcher of watchers) watcher.close()
          })
      ),
    { bufferSize: 1, strategy: "sliding" }
  )

const make = Effect.fnUntraced(function* (tls: TlsConfig) {
  const taken = yield* Ref.make<string | null>(null)
  const load = loadPair(tls)
  const pair = load.pipe(Effect.tap(({ digest }) => Ref.set(taken, digest)))

  const ready = Effect.gen(function* () {
    const reason = yield* Ref.make<CertificatesUnusable | null>(null)
    const note = (error: CertificatesUnusable) =>
      Effect.flatMap(Ref.getAndSet(reason, error), (before) =>
        before?.message === error.message ? Effect.void : Effect.logWarning(error.message)
      )
    const waited = yield* pair.pipe(
      Effect.tapError(note),
      Effect.retry(Schedule.spaced(READY_POLL)),
      Effect.timeoutOption(READY_LIMIT)
    )
    if (Option.isSome(waited)) return
    const last = yield* Ref.get(reason)
    yield* new CertificatesUnusable({
      path: last?.path ?? tls.cert_path,
      message: `no usable TLS key pair within ${Duration.format(READY_LIMIT)}: ${last?.message ?? "reading takes too long"}`
    })
  })

  const settled = load.pipe(
    Effect.map(({ digest }) => digest),
    Effect.retry(Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(RENEWAL_TRIES)])),
    Effect.tapError((error) => Effect.logWarning(`the renewed TLS key pair is not used: ${error.message}`)),
    Effect.option
  )

  const changes = Stream.unwrap(
    Effect.gen(function* () {
      const before = yield* Ref.get(taken)
      const known = before ?? (yield* Effect.option(load).pipe(Effect.map(Option.getOrNull)))?.digest ?? ""
      const hints = Stream.merge(
        events(tls).pipe(Stream.debounce(SETTLE)),
        Stream.fromSchedule(Schedule.spaced(CHANGE_POLL))
      )
      return Stream.make(undefined).pipe(
        Stream.concat(Stream.map(hints, () => undefined)),
        Stream.mapEffect(() => settled),
        Stream.filterMap(Result.fromOption(() => undefined)),
        (digests) => Stream.concat(Stream.make(known), digests),
        Stream.changes,
        Stream.drop(1)
      )
    })
  )
  return Certificates.of({ ready, pair, changes })
})
