/**
 * One agent, from its greeting to its end.
 *
 * Source: `libs/vm_monitor/src/{dispatcher,runner}.rs`.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import { vmMonitorRequests } from "../../../domain/observe/MetricFamilies.ts"
import type { Outcome } from "../../../domain/observe/Outcome.ts"
import {
  decideDownscale,
  fileCacheSize,
  fileCacheStatus,
  sizesFor,
  threshold as thresholdOf,
  thresholdStatus,
  UNMANAGED,
  wantsMore
} from "../../../domain/vmmonitor/Decisions.ts"
import {
  type AgentMessage,
  decodeAgentMessage,
  decodeVersionRange,
  encodeMonitorMessage,
  FIRST_ID,
  type MonitorMessage,
  negotiate,
  nextId
} from "../../../domain/vmmonitor/Protocol.ts"
import { ServiceTrouble } from "../../compute/Supervisor.ts"
import { Metrics } from "../../observe/Metrics.ts"
import type { CgroupWatcher } from "./cgroup.ts"
import type { FileCache } from "./fileCache.ts"
import type { AgentSocket } from "./listen.ts"

/** For the greeting and the first resize; the agent waits as long. */
const SETUP = Duration.seconds(4)
/** For an answer, below the agent's 5 s. */
const ANSWER = Duration.seconds(4)

/** Characters of what the agent has to tell that are logged. */
const LONGEST_REPORT = 200

/** The conversation cannot go on. */
class Dropped extends Data.TaggedError("Dropped")<{ readonly message: string }> {}

export interface Parts {
  readonly cgroup: CgroupWatcher | null
  readonly fileCache: FileCache | null
  /** Bytes of the whole machine. */
  readonly memory: () => number
  /** Anonymous memory above which more is asked for, bytes. */
  readonly threshold: Ref.Ref<number>
}

const greet = Effect.fnUntraced(function* (socket: AgentSocket) {
  const text = yield* socket.receive
  if (text === null) return yield* new Dropped({ message: "it left before its greeting" })
  const range = decodeVersionRange(text)
  if (Result.isFailure(range)) return yield* new Dropped({ message: "its greeting is not a range of versions" })
  const { reply, agreed } = negotiate(range.success)
  yield* socket.send(reply)
  if (!agreed) return yield* new Dropped({ message: "it speaks no version that we do" })
})

/** The cache is set even to what it is: that proves the right to do so. */
const prepare = Effect.fnUntraced(function* ({ cgroup, fileCache, memory, threshold }: Parts) {
  const total = memory()
  if (fileCache !== null) {
    const before = yield* fileCache.current
    const actual = yield* fileCache.resize(fileCacheSize(total))
    yield* Effect.logInfo(`file cache resized from ${before} to ${actual} bytes`)
  }
  if (cgroup !== null) {
    yield* cgroup.present
    yield* Ref.set(threshold, thresholdOf(total))
  }
})

/** No agent gets beyond what fails here: it shows in the status, until one has. */
const setUp = Effect.fnUntraced(function* (parts: Parts) {
  const trouble = yield* ServiceTrouble
  const metrics = yield* Metrics
  const count = (outcome: Outcome) => metrics.increment(vmMonitorRequests, { type: "Setup", outcome })
  yield* prepare(parts).pipe(
    Effect.tapError(({ message }) =>
      Effect.andThen(count("failed"), trouble(`every autoscaling agent is dropped: ${message}`))
    )
  )
  yield* Effect.andThen(count("ok"), trouble(null))
})

const upscale = Effect.fnUntraced(function* ({ cgroup, fileCache, threshold }: Parts, granted: number) {
  const sizes = sizesFor(granted)
  if (fileCache !== null) yield* fileCache.resize(sizes.fileCache)
  if (cgroup !== null) yield* Ref.set(threshold, sizes.threshold)
})

class Stale extends Data.TaggedError("Stale")<{ readonly message: string }> {}

const downscale = Effect.fnUntraced(function* ({ cgroup, fileCache, threshold }: Parts, target: number) {
  const before = yield* Ref.get(threshold)
  const managed = cgroup === null ? null : { history: yield* cgroup.history, threshold: before }
  const decision = decideDownscale(
    { cgroup: managed, fileCache: fileCache !== null },
    target,
    yield* Clock.currentTimeMillis
  )
  if (decision._tag === "Unmanaged") return { Ok: true, Status: UNMANAGED }
  if (decision._tag === "Denied") return { Ok: false, Status: decision.status }
  if (decision._tag === "Stale") return yield* new Stale({ message: `last memory sample is ${decision.ageMs} ms old` })
  const sizes = sizesFor(target)
  const done: Array<string> = []
  if (fileCache !== null) done.push(fileCacheStatus(yield* fileCache.resize(sizes.fileCache)))
  if (cgroup !== null) {
    yield* Ref.set(threshold, sizes.threshold)
    done.push(thresholdStatus(before, sizes.threshold, target))
  }
  return { Ok: true, Status: done.join("; ") }
})

/** Interrupts what runs over and tells so; statements to Postgres are bounded on their own. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(effect, { duration: ANSWER, orElse: () => Effect.fail(new Stale({ message: "took too long" })) })

/** Serves the agent until it leaves, sends what cannot be understood, or is interrupted. */
export const serveAgent = Effect.fnUntraced(
  function* (parts: Parts, socket: AgentSocket) {
    const metrics = yield* Metrics
    const send = (message: MonitorMessage) => socket.send(encodeMonitorMessage(message))
    const count = (type: string, outcome: Outcome) => metrics.increment(vmMonitorRequests, { type, outcome })

    const orInternalError = <E extends { readonly message: string }>(
      id: number,
      type: string,
      error: string,
      work: Effect.Effect<MonitorMessage, E>
    ) =>
      work.pipe(
        Effect.catch(({ message }) =>
          Effect.logError(`${error}: ${message}`).pipe(
            Effect.andThen(count(type, "failed")),
            Effect.as<MonitorMessage>({ type: "InternalError", error, id })
          )
        ),
        Effect.flatMap(send)
      )

    const handle = (message: AgentMessage): Effect.Effect<void> => {
      const { id } = message
      switch (message.type) {
        case "HealthCheck":
          return Effect.andThen(count("HealthCheck", "ok"), send({ type: "HealthCheck", id }))
        case "UpscaleNotification":
          return orInternalError(
            id,
            "UpscaleNotification",
            "failed to handle upscale",
            inTime(upscale(parts, message.content.granted.mem)).pipe(
              Effect.andThen(count("UpscaleNotification", "ok")),
              Effect.as<MonitorMessage>({ type: "UpscaleConfirmation", id })
            )
          )
        case "DownscaleRequest":
          return orInternalError(
            id,
            "DownscaleRequest",
            "failed to downscale",
            inTime(downscale(parts, message.content.target.mem)).pipe(
              Effect.tap(({ Ok }) => count("DownscaleRequest", Ok ? "ok" : "refused")),
              Effect.map((result): MonitorMessage => ({ type: "DownscaleResult", ...result, id }))
            )
          )
        case "InvalidMessage":
        case "InternalError":
          return Effect.andThen(
            count(message.type, "ok"),
            Effect.logWarning(
              `the autoscaling agent reports ${message.type}: ${excerpt(message.content.error, LONGEST_REPORT)}`
            )
          )
      }
    }

    // Work on the cache is done one after the other, beside the reader, so that health checks never wait for Postgres.
    const work = yield* Queue.bounded<AgentMessage>(16)
    const isWork = ({ type }: AgentMessage) => type === "UpscaleNotification" || type === "DownscaleRequest"

    const read = Effect.gen(function* () {
      while (true) {
        const text = yield* socket.receive
        if (text === null) return
        const message = decodeAgentMessage(text)
        if (Result.isFailure(message)) return yield* new Dropped({ message: "it sent what is not a message" })
        yield* isWork(message.success) ? Queue.offer(work, message.success) : handle(message.success)
      }
    })

    const askForMore = Effect.gen(function* () {
      let id = FIRST_ID
      let last = Number.NEGATIVE_INFINITY
      const { cgroup } = parts
      if (cgroup === null) return yield* Effect.never
      while (true) {
        yield* Effect.sleep("100 millis")
        const now = yield* Clock.currentTimeMillis
        if (!wantsMore(yield* cgroup.history, yield* Ref.get(parts.threshold), last, now)) continue
        last = now
        yield* Effect.logInfo("asking the autoscaling agent for more memory")
        yield* count("UpscaleRequest", "ok")
        yield* send({ type: "UpscaleRequest", id })
        id = nextId(id)
      }
    })

    yield* Effect.logInfo(`autoscaling agent connected from ${socket.peer}`)
    yield* Effect.andThen(greet(socket), setUp(parts)).pipe(
      Effect.timeoutOrElse({
        duration: SETUP,
        orElse: () => Effect.fail(new Dropped({ message: `not ready within ${Duration.format(SETUP)}` }))
      })
    )
    const alongside = Effect.raceFirst(Effect.forever(Effect.flatMap(Queue.take(work), handle)), askForMore)
    yield* Effect.raceFirst(read, alongside)
    yield* Effect.logInfo("autoscaling agent left")
  },
  Effect.catch(({ message }) => Effect.logWarning(`dropped the autoscaling agent: ${message}`))
)
