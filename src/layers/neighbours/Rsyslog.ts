/**
 * rsyslogd, which ships audit records and Postgres' log. Init starts it again whenever it ends; we write its snippets and
 * end it, for it has no reload. It remembers how far it has read, so no record is lost.
 *
 * Source: `compute_tools/src/rsyslog.rs`.
 */

import { join } from "node:path"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { isCompliance } from "../../domain/conf/AuditConf.ts"
import { auditAddress, auditConf, exportConf } from "../../domain/conf/RsyslogConf.ts"
import { auditLogDirSize } from "../../domain/observe/MetricFamilies.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { Options } from "../compute/Options.ts"
import { Waits } from "../compute/Waits.ts"
import { Places } from "../machine/Places.ts"
import { isNamed, named, readPid, signalPid } from "../machine/pids.ts"
import { Variables } from "../machine/process/Variables.ts"
import { readText, replaceFile } from "../machine/replaceFile.ts"
import { Metrics } from "../observe/Metrics.ts"
import { cleanAuditLogs, sizeOfLogs } from "./auditLogs.ts"
import { told } from "./told.ts"

/** Logs cannot be shipped as the spec asks. */
export class RsyslogFailed extends Data.TaggedError("RsyslogFailed")<{
  readonly message: string
  readonly cause?: Error
}> {}

export class Rsyslog extends Context.Service<
  Rsyslog,
  {
    /** Writes both snippets and fails unless rsyslogd runs with them afterwards. Nothing below the compliance levels. */
    readonly audit: (spec: ParsedSpec) => Effect.Effect<void, RsyslogFailed>
    /** Removes audit files once they are shipped, for nobody else does; measures the rest. A service loop. */
    readonly auditGarbage: Effect.Effect<void>
    /** Writes the snippet if it changed; a rsyslogd that does not come back is a warning, for only the export suffers. */
    readonly exportLogs: (spec: ParsedSpec) => Effect.Effect<void, RsyslogFailed>
  }
>()("compute/Rsyslog") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

const BACK_LIMIT = "8 seconds"
const FIRST_LOOK = "2 millis"
const CLEANING_PERIOD = "60 seconds"

function* make() {
  const { rsyslog: at } = yield* Places
  const { auditEndpoint, auditTlsEndpoint } = yield* Variables
  const options = yield* Options
  const metrics = yield* Metrics
  const waits = yield* Waits
  const oneAtATime = yield* Semaphore.make(1)
  const logDirectory = join(options.pgdata, "log")
  const failed = (error: { readonly message: string }) => new RsyslogFailed({ message: error.message })

  const pids = Effect.gen(function* () {
    const pid = yield* readPid(at.pidFile)
    if (pid !== null && (yield* isNamed(pid, at.processName))) return [pid]
    return yield* named(at.processName)
  })

  const restart = Effect.gen(function* () {
    const old = yield* pids
    yield* Effect.forEach(old, (pid) => signalPid(pid, "SIGTERM"))
    // The old one may live for a moment yet: only another pid is a restart.
    const back = Effect.flatMap(pids, (now) =>
      now.some((pid) => !old.includes(pid)) ? Effect.void : Effect.fail("not yet")
    ).pipe(Effect.retry(Schedule.min([Schedule.exponential(FIRST_LOOK), Schedule.spaced("500 millis")])))
    yield* waits.within("rsyslogd to be back", BACK_LIMIT)(back)
  }).pipe(
    Effect.mapError(() => new RsyslogFailed({ message: `rsyslogd was not running again within ${BACK_LIMIT}` })),
    Effect.withSpan("restart rsyslogd")
  )

  /** Whether the file had another text. */
  const put = Effect.fnUntraced(
    function* (path: string, text: string) {
      const before = (yield* readText(path)) ?? ""
      if (before === text) return false
      yield* replaceFile(path, text)
      return true
    },
    Effect.mapError((error) => new RsyslogFailed({ message: `could not write ${error.message}` }))
  )

  const putExport = (spec: ParsedSpec) =>
    Effect.mapError(Effect.fromResult(exportConf(spec.spec.logs_export_host)), failed).pipe(
      Effect.flatMap((text) => put(at.exportConf, text))
    )

  const audit = Effect.fn("configure audit shipping")(
    function* ({ spec, ...rest }: ParsedSpec) {
      if (!isCompliance(spec.audit_log_level)) return
      const address = yield* Effect.mapError(Effect.fromResult(auditAddress(auditEndpoint, auditTlsEndpoint)), failed)
      const text = auditConf({
        logDirectory,
        endpointId: spec.endpoint_id ?? "",
        projectId: spec.project_id ?? "",
        address
      })
      // Both files before the one restart.
      yield* putExport({ spec, ...rest })
      yield* put(at.auditConf, text)
      yield* restart
      yield* Effect.logInfo(`audit records are shipped to ${address.host}:${address.port}`)
    },
    oneAtATime.withPermits(1),
    told("rsyslogd", metrics)
  )

  const exportLogs = Effect.fn("configure log export")(function* (spec: ParsedSpec) {
    if (!(yield* putExport(spec))) return
    yield* Effect.catch(told("rsyslogd", metrics)(restart), ({ message }) =>
      Effect.logWarning(`Postgres' log is not exported: ${message}`)
    )
  }, oneAtATime.withPermits(1))

  const auditGarbage = Effect.gen(function* () {
    const size = Effect.map(sizeOfLogs(logDirectory), (value) => [{ labels: {}, value }])
    yield* metrics.gauge(auditLogDirSize, size)
    yield* Effect.repeat(cleanAuditLogs(logDirectory), Schedule.spaced(CLEANING_PERIOD))
  }).pipe(Effect.scoped)

  return Rsyslog.of({ audit, auditGarbage, exportLogs })
}
