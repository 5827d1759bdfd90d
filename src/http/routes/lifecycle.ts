/**
 * What the compute is, giving it a spec, promoting it, ending it.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { ConfigurationRequest, type JwkSet, PromoteConfig } from "../../domain/spec/ComputeConfig.ts"
import { format } from "../../domain/spec/Lsn.ts"
import { parseSteps } from "../../domain/spec/ParsedSpec.ts"
import { Authorization } from "../../layers/compute/authorization/Authorization.ts"
import { ComputeState, InvalidStatus } from "../../layers/compute/ComputeState.ts"
import { resultInSlices } from "../../layers/compute/clock/Slices.ts"
import { History } from "../../layers/compute/History.ts"
import { Monitor } from "../../layers/observe/Monitor.ts"
import { Promotion } from "../../programs/run/background/promote.ts"
import { configure } from "../../programs/run/configure.ts"
import { reasonsAgainstStopping } from "../../programs/run/idle.ts"
import { askForRefresh } from "../../programs/run/refresh.ts"
import * as lakebase from "../../programs/start/lakebase.ts"
import { type Terminated, terminate } from "../../programs/stop/terminate.ts"
import { External } from "../api/Api.ts"
import { BadRequest, Failed, Forbidden, InUse, WrongStatus } from "../api/shapes/Refusal.ts"
import { empty, json, orRefuse, type Response, refuse, withBody } from "../server/answers/answers.ts"
import { events } from "../server/answers/events.ts"
import { statusBody } from "../server/answers/statusBody.ts"
import { statusDetail } from "../server/answers/statusDetail.ts"
import { Request, type Sent } from "../server/incoming/Request.ts"

const terminated = (result: Terminated): Effect.Effect<Response, never, Request> => {
  if (result._tag === "Unanswered") return brokenOff
  return Effect.succeed(
    result._tag === "Leaving"
      ? empty(200)
      : json(result.repeated ? 201 : 200, { lsn: result.lsn === null ? null : format(result.lsn) })
  )
}

/** Closes the connection without an answer. */
const brokenOff = Effect.flatMap(Request, ({ message }) =>
  Effect.andThen(
    Effect.sync(() => void message.socket.destroy()),
    Effect.interrupt
  )
)

/** Answers 409 with what speaks against it when the compute has been used within the last `seconds`. */
const unlessUsed = (seconds: number) =>
  Effect.flatMap(reasonsAgainstStopping(seconds), ({ activity, reasons }) =>
    reasons.length === 0
      ? Effect.void
      : Effect.fail(InUse.make({ error: `the compute is in use: ${reasons.join(", ")}`, reasons, activity }))
  )

/** Whoever holds a token for this compute alone has been let in, and goes no further. */
const requireAdmin = Effect.gen(function* () {
  const { message } = yield* Request
  const { checkAdmin } = yield* Authorization
  yield* orRefuse(Forbidden)(checkAdmin(message.headers.authorization))
})

/** Keys can so be renewed while a compute runs. */
const adoptKeys = ({ message }: Sent, jwks: JwkSet) =>
  Effect.flatMap(Authorization, ({ adopt }) => adopt(message.headers.authorization, jwks))

const promote = Effect.fnUntraced(function* (body: PromoteConfig) {
  const spec = yield* orRefuse(BadRequest)(resultInSlices(parseSteps(body.spec)))
  const current = yield* ComputeState.current
  if (current.spec === null) {
    return yield* orRefuse(WrongStatus)(Effect.fail(new InvalidStatus({ status: current.status })))
  }
  const promotion = yield* Promotion
  const result = yield* promotion.promote({ spec, walFlushLsn: body.wal_flush_lsn })
  return json(result.status === "completed" ? 200 : 500, result)
})

export const lifecycle = HttpApiBuilder.group(External, "lifecycle", (handlers) =>
  handlers
    .handleAll({
      status: () => Effect.map(ComputeState.current, statusBody),
      status_detail: () => statusDetail,
      activity: () => Effect.flatMap(Monitor, (monitor) => monitor.activity),
      history: () =>
        Effect.map(
          Effect.flatMap(History, ({ recent }) => recent),
          (events) => ({ version: 1 as const, events })
        ),
      events: () => events,
      metrics_json: () => Effect.map(ComputeState.current, ({ metrics }) => metrics),
      refresh: () => requireAdmin.pipe(Effect.andThen(Effect.asVoid(orRefuse(WrongStatus)(askForRefresh)))),
      terminate: ({ query: { if_idle, mode } }) =>
        (if_idle === undefined ? Effect.void : unlessUsed(if_idle)).pipe(
          Effect.andThen(terminate(mode ?? "fast")),
          Effect.flatMap(terminated),
          orRefuse(WrongStatus)
        ),
      hadron_liveness_probe: () => lakebase.livenessProbe.pipe(Effect.as("ok" as const), orRefuse(Failed))
    })
    .handleRaw("configure", ({ endpoint }) =>
      withBody(ConfigurationRequest, endpoint, (body, request) =>
        configure(body.spec, adoptKeys(request, body.compute_ctl_config.jwks)).pipe(
          Effect.map(statusBody),
          Effect.catchTags({
            InvalidSpec: ({ message }) => refuse(BadRequest, message),
            InvalidStatus: ({ message }) => refuse(WrongStatus, message)
          }),
          orRefuse(Failed)
        )
      )
    )
    .handleRaw("promote", ({ endpoint }) => withBody(PromoteConfig, endpoint, promote))
)
