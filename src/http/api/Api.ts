/**
 * The two APIs. The external one is for the control plane, with tokens; the internal one is for the processes of this
 * compute, without, and therefore on loopback only.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import { CatalogApi } from "./catalog.ts"
import { InternalGroup } from "./internal.ts"
import { Lfc } from "./lfc.ts"
import { Lifecycle } from "./lifecycle.ts"
import { Refusals } from "./middleware.ts"
import { Pages } from "./pages.ts"
import { Probes } from "./probes.ts"

export class External extends HttpApi.make("external")
  .add(Lifecycle, Probes, CatalogApi, Lfc, Pages)
  .middleware(Refusals) {}

export class Internal extends HttpApi.make("internal").add(InternalGroup).middleware(Refusals) {}
