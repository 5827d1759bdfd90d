/**
 * Source: `compute_tools/src/http/routes/extension_server.rs`.
 */
import * as Effect from "effect/Effect"
import { Extensions } from "../../layers/extensions/Extensions.ts"
import { extensionServer } from "../api/extensions.ts"
import { empty, orStatus, refuse, route } from "../server/Route.ts"

export const routes = [
  route(extensionServer, ({ params, query }) =>
    Effect.flatMap(Extensions, (extensions) => extensions.fetch(params.filename, query.is_library)).pipe(
      Effect.as(empty(200)),
      Effect.catchTags({
        NoExtensionStore: ({ message }) => refuse(412, message),
        NoExtensionInfo: ({ message }) => refuse(409, message),
        ExtensionUnknown: ({ message }) => refuse(404, message)
      }),
      orStatus(500, "Failed to download a remote file: ")
    )
  )
]
