/**
 * For the processes of the compute.
 *
 * Source: `compute_tools/src/http/routes/{extensions,extension_server,grants,refresh_configuration,failpoints}.rs`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { ExtensionRequest, SchemaGrant } from "../../domain/catalog/Requests.ts"
import { Catalog } from "../../layers/catalog/Catalog.ts"
import { Failpoints } from "../../layers/compute/Failpoints.ts"
import { Extensions } from "../../layers/extensions/Extensions.ts"
import { requestRefresh } from "../../programs/run/refresh.ts"
import { Internal } from "../api/Api.ts"
import { FailpointsRequest } from "../api/internal.ts"
import { BadRequest, Conflict, Failed, NotFound, WrongStatus } from "../api/shapes/Refusal.ts"
import { empty, orRefuse, refuse, requireRunning, withBody } from "../server/answers/answers.ts"
import { unnoticed } from "./catalog.ts"

/** No database has an empty name; a session would be of whatever is the default. */
const requireName = (database: string) => (database === "" ? refuse(BadRequest, "`database` is empty") : Effect.void)

export const internal = HttpApiBuilder.group(Internal, "internal", (handlers) =>
  handlers
    .handleRaw("install_extension", ({ endpoint }) =>
      withBody(ExtensionRequest, endpoint, (body) =>
        requireName(body.database).pipe(
          Effect.andThen(requireRunning),
          Effect.andThen(unnoticed(Effect.flatMap(Catalog, (catalog) => catalog.installExtension(body)))),
          Effect.as({ extension: body.extension, version: body.version }),
          orRefuse(Failed, "failed to install extension: ")
        )
      )
    )
    .handleRaw("set_role_grants", ({ endpoint }) =>
      withBody(SchemaGrant, endpoint, (body) =>
        requireName(body.database).pipe(
          Effect.andThen(requireRunning),
          Effect.andThen(unnoticed(Effect.flatMap(Catalog, (catalog) => catalog.setRoleGrants(body)))),
          Effect.as(body),
          orRefuse(Failed, "failed to grant role privileges to the schema: ")
        )
      )
    )
    .handle("extension_server", ({ params, query }) =>
      Effect.flatMap(Extensions, (extensions) => extensions.fetch(params.filename, query.is_library ?? false)).pipe(
        Effect.catchTags({
          NoExtensionStore: ({ message }) => refuse(WrongStatus, message),
          NoExtensionInfo: ({ message }) => refuse(Conflict, message),
          ExtensionUnknown: ({ message }) => refuse(NotFound, message)
        }),
        orRefuse(Failed, "Failed to download a remote file: ")
      )
    )
    .handle("refresh_configuration", () => Effect.asVoid(orRefuse(Failed)(requestRefresh)))
    .handleRaw("failpoints", ({ endpoint }) =>
      Effect.gen(function* () {
        const { enabled, set } = yield* Failpoints
        // Outside of tests there is no such route.
        if (!enabled) return empty(404)
        return yield* withBody(FailpointsRequest, endpoint, (body) =>
          Effect.forEach(
            body,
            ({ action, actions, name }) => orRefuse(BadRequest)(set(name, actions ?? action ?? "")),
            {
              discard: true
            }
          )
        )
      })
    )
)
