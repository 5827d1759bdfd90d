/**
 * What answers both APIs.
 */
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { External, Internal } from "../api/Api.ts"
import * as middleware from "../server/middleware.ts"
import { catalog } from "./catalog.ts"
import { internal } from "./internal.ts"
import { lfc } from "./lfc.ts"
import { lifecycle } from "./lifecycle.ts"
import { pages } from "./pages.ts"
import { probes } from "./probes.ts"

/** The library's services for files and etags, which nobody asks for here. */
const unused = HttpServer.layerServices

export const externalRoutes = HttpRouter.toHttpEffect(
  HttpApiBuilder.layer(External).pipe(
    Layer.provide(Layer.mergeAll(lifecycle, probes, catalog, lfc, pages)),
    Layer.provide(Layer.merge(middleware.layer, unused))
  )
)

export const internalRoutes = HttpRouter.toHttpEffect(
  HttpApiBuilder.layer(Internal).pipe(Layer.provide(internal), Layer.provide(Layer.merge(middleware.layerOpen, unused)))
)
