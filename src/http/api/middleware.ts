/**
 * What stands before the handlers of endpoints.
 */
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import { BadRequest, Failed, Forbidden, Unauthorized, Unavailable } from "./shapes/Refusal.ts"

/** A token of this compute's, or the control plane's own. In lakebase mode the network in front of the port may decide. */
export class Authorized extends HttpApiMiddleware.Service<Authorized>()("http/api/Authorized", {
  security: { token: HttpApiSecurity.bearer.pipe(HttpApiSecurity.annotate(OpenApi.Format, "JWT")) },
  error: [BadRequest, Unauthorized, Forbidden]
}) {}

/** Query and path in the encoding and with the refusals of the original. */
export class Inputs extends HttpApiMiddleware.Service<Inputs>()("http/api/Inputs", { error: BadRequest }) {}

/** Tells the log why a request is refused; before every endpoint. */
export class Refusals extends HttpApiMiddleware.Service<Refusals>()("http/api/Refusals", {
  error: [Failed, Unavailable]
}) {}
