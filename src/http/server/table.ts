/**
 * Which endpoint a request is for. Paths are compared as sent, neither decoded nor normalised: the library's router would
 * take `/stat%75s` and `/status;x` for `/status`, and answers a wrong method with 404 and without `Allow`.
 */
import * as Context from "effect/Context"
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import { OnDisconnect, Quiet, Scraped } from "../api/traits.ts"

/** What is to be known of an endpoint before it is asked. */
export interface Route {
  readonly quiet: boolean
  /** By probes or scrapers: such requests make no traces. */
  readonly polled: boolean
  /** The work is of no use to anybody when the client is gone. */
  readonly cancelled: boolean
}

/** What one path template answers. */
export interface Resource {
  /** As it is named in metrics: `{*name}` is all the rest of a path. */
  readonly path: string
  /** What the library's router is asked for. */
  readonly url: string
  readonly methods: ReadonlyMap<string, Route>
  /** Value of the `Allow` header. */
  readonly allow: string
}

export type Table = (path: string) => Resource | undefined

const ORDER = ["GET", "POST", "DELETE"]

const routeOf = (annotations: Context.Context<never>, method: string): Route => ({
  quiet: Context.get(annotations, Quiet),
  polled: Context.get(annotations, Quiet) || Context.get(annotations, Scraped),
  cancelled: (Context.get(annotations, OnDisconnect) ?? (method === "GET" ? "cancel" : "continue")) === "cancel"
})

const resource = (template: string, endpoints: ReadonlyArray<HttpApiEndpoint.Top>): Resource => {
  const methods = new Map<string, Route>()
  for (const { annotations, method } of endpoints.toSorted(
    (a, b) => ORDER.indexOf(a.method) - ORDER.indexOf(b.method)
  )) {
    methods.set(method, routeOf(annotations, method))
    if (method === "GET") methods.set("HEAD", routeOf(annotations, method))
  }
  return {
    path: template.replace(/:(\w+)$/, "{*$1}"),
    url: template.replace(/:\w+$/, "-"),
    methods,
    allow: [...methods.keys()].join(",")
  }
}

/** Where in a path its name begins; -1 without one. */
export const nameAt = (template: string): number => template.indexOf(":")

/** None passes: for those that do, the library derives the schemas of all answers, a tenth of what a start computes. */
export const endpointsOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ReadonlyArray<HttpApiEndpoint.Top> => {
  const all: Array<HttpApiEndpoint.Top> = []
  const predicate = ({ endpoint }: { readonly endpoint: HttpApiEndpoint.Top }) => {
    all.push(endpoint)
    return false
  }
  HttpApi.reflect(api, { predicate, onGroup: () => {}, onEndpoint: () => {} })
  return all
}

export const table = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): Table => {
  const fixed = new Map<string, Resource>()
  const open: Array<readonly [beginning: string, Resource]> = []
  for (const [path, endpoints] of Map.groupBy(endpointsOf(api), ({ path }) => path)) {
    const found = resource(path, endpoints)
    if (nameAt(path) < 0) fixed.set(path, found)
    else open.push([path.slice(0, nameAt(path)), found])
  }
  return (path) =>
    fixed.get(path) ?? open.find(([beginning]) => path.length > beginning.length && path.startsWith(beginning))?.[1]
}
