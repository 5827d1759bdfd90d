/**
 * The life of the compute: what it is, giving it a spec, promoting it, ending it.
 */

import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ActivityReport } from "../../domain/status/Activity.ts"
import { Event, Remembered } from "../../domain/status/Event.ts"
import { FailedPromotion, Promoted } from "../../domain/status/Operations.ts"
import { StartupMetrics } from "../../domain/status/StartupMetrics.ts"
import { Authorized, Inputs } from "./middleware.ts"
import { BadRequest, Failed, InUse, OfQuery, ofBody, ofBodyAsText, Unavailable, WrongStatus } from "./shapes/Refusal.ts"
import { Status, StatusDetail } from "./shapes/StatusDetail.ts"
import { Configuration, Promotion } from "./shapes/Wire.ts"
import { Limit, OneOf, Scraped, SPEC_LIMIT, Wording } from "./traits.ts"

export const HistoryReport = Schema.Struct({
  /** Of this form: members are added, never changed. */
  version: Schema.Literal(1),
  events: Schema.Array(Remembered)
}).annotate({ identifier: "History" })

/** Where the safekeepers are in sync; null when nobody knows. */
const Terminated = Schema.Struct({ lsn: Schema.NullOr(Schema.String) }).annotate({ identifier: "Terminated" })

const status = HttpApiEndpoint.get("status", "/status", { success: Status }).annotate(
  OpenApi.Summary,
  "What this compute is and does"
)

const statusDetail = HttpApiEndpoint.get("status_detail", "/status/detail", { success: StatusDetail }).annotate(
  OpenApi.Summary,
  "Since when, what is being waited for and until when, the services and their last errors"
)

const activity = HttpApiEndpoint.get("activity", "/activity", { success: ActivityReport }).annotate(
  OpenApi.Summary,
  "Whether the compute is in use, by whom or what, and since when"
)

const history = HttpApiEndpoint.get("history", "/history", { success: HistoryReport }).annotate(
  OpenApi.Summary,
  "The last hundred changes of the status, applies and refreshes, the oldest first"
)

const events = HttpApiEndpoint.get("events", "/events", {
  success: HttpApiSchema.StreamSse({ data: Event }),
  error: Unavailable
})
  .annotate(
    OpenApi.Summary,
    "What happens, as server-sent events: first the present state, then changes, waits and steps, until `terminated`"
  )
  .annotate(
    OpenApi.Description,
    "For 32 listeners; one that does not read is cut off. Where the process ends in another way, as by a signal, they break off."
  )

const metricsJson = HttpApiEndpoint.get("metrics_json", "/metrics.json", { success: StartupMetrics }).annotate(
  OpenApi.Summary,
  "What the start took"
)

const configure = HttpApiEndpoint.post("configure", "/configure", {
  payload: Configuration,
  success: Status,
  error: [...ofBody, WrongStatus, Failed]
})
  .annotate(Limit, SPEC_LIMIT)
  .annotate(OpenApi.Summary, "Gives the compute a spec and answers when it runs with it, or has failed to")

/** A whole number from 0 on, as far as a double holds it exactly. */
const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const terminate = HttpApiEndpoint.post("terminate", "/terminate", {
  query: {
    mode: Schema.optionalKey(Schema.Literals(["fast", "immediate"])),
    if_idle: Schema.optionalKey(Natural)
  },
  success: [Terminated, Terminated.pipe(HttpApiSchema.status(201))],
  error: [OfQuery, InUse, WrongStatus]
})
  .middleware(Inputs)
  // `mode` may be left out together with the whole query, or beside `if_idle`, which the original does not know.
  .annotate(OneOf, ["mode", "if_idle"])
  .annotate(Wording, "text")
  .annotate(
    OpenApi.Summary,
    "Stops the compute; answers with the LSN at which the safekeepers are in sync. With `if_idle`, only when nobody has used it for so many seconds"
  )
  .annotate(
    OpenApi.Description,
    "201 when it was stopped before. An empty compute in lakebase mode answers without a body."
  )

const refresh = HttpApiEndpoint.post("refresh", "/refresh", {
  success: HttpApiSchema.Accepted,
  error: WrongStatus
})
  .annotate(
    OpenApi.Summary,
    "Has the compute fetch its configuration again, and follow it if its pageservers are others"
  )
  .annotate(
    OpenApi.Description,
    "For a token with the scope `compute_ctl:admin`. `/events` and `/history` tell what came of it."
  )

const promote = HttpApiEndpoint.post("promote", "/promote", {
  payload: Promotion,
  success: Promoted,
  error: [...ofBodyAsText, BadRequest, WrongStatus, FailedPromotion.pipe(HttpApiSchema.status(500))]
})
  .annotate(Limit, SPEC_LIMIT)
  .annotate(Wording, "text")
  .annotate(OpenApi.Summary, "Makes a primary of a replica")

const livenessProbe = HttpApiEndpoint.get("hadron_liveness_probe", "/hadron_liveness_probe", {
  success: Schema.Literal("ok"),
  error: Failed
})
  .annotate(Scraped, true)
  .annotate(OpenApi.Summary, "Whether Postgres accepts connections on its local socket")

export class Lifecycle extends HttpApiGroup.make("lifecycle", { topLevel: true })
  .add(status, statusDetail, activity, history, events, metricsJson, configure, refresh, terminate, promote)
  .add(livenessProbe)
  .middleware(Authorized)
  .annotate(OpenApi.Description, "What the compute is and does, for the control plane, port 3080") {}
