/**
 * Which route a request is for. Paths are compared as sent: neither decoded nor normalised.
 */
import type { Audience } from "../api/Endpoint.ts"
import { percentBytes } from "../api/Query.ts"
import { Rejection } from "./Rejection.ts"
import type { Route } from "./Route.ts"

/** What one path template answers. */
export interface Resource<R> {
  readonly path: string
  readonly methods: ReadonlyMap<string, Route<R>>
  /** Value of the `Allow` header. */
  readonly allow: string
}

export interface Match<R> {
  readonly resource: Resource<R>
  /** Still percent-encoded. */
  readonly params: Readonly<Record<string, string>>
}

export type Table<R> = (path: string) => Match<R> | undefined

const NO_PARAMS = Object.freeze({})
const ORDER = ["GET", "POST", "DELETE"]

const pattern = (path: string): RegExp =>
  new RegExp(
    `^${path
      .split(/(\{[^{}]+\})/)
      .map((piece) => {
        const name = /^\{(\*?)(.+)\}$/.exec(piece)
        if (name === null) return piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
        return name[1] === "*" ? `(?<${name[2]}>.+)` : `(?<${name[2]}>[^/]+)`
      })
      .join("")}$`
  )

const resources = <R>(routes: ReadonlyArray<Route<R>>): ReadonlyArray<Resource<R>> =>
  [...Map.groupBy(routes, ({ endpoint }) => endpoint.path)].map(([path, group]) => {
    const sorted = group.toSorted((a, b) => ORDER.indexOf(a.endpoint.method) - ORDER.indexOf(b.endpoint.method))
    const methods = new Map(
      sorted.flatMap(
        (route): ReadonlyArray<[string, Route<R>]> =>
          route.endpoint.method === "GET"
            ? [
                ["GET", route],
                ["HEAD", route]
              ]
            : [[route.endpoint.method, route]]
      )
    )
    return { path, methods, allow: [...methods.keys()].join(",") }
  })

/** The table of one server; a path without names is looked up before the others are tried. */
export const table = <R>(routes: ReadonlyArray<Route<R>>, server: Audience): Table<R> => {
  const all = resources(routes.filter(({ endpoint }) => endpoint.server === server))
  const fixed = new Map(
    all.filter(({ path }) => !path.includes("{")).map((resource) => [resource.path, { resource, params: NO_PARAMS }])
  )
  const variable = all
    .filter(({ path }) => path.includes("{"))
    .map((resource) => ({ resource, test: pattern(resource.path) }))
  return (path) => {
    const known = fixed.get(path)
    if (known !== undefined) return known
    for (const { resource, test } of variable) {
      const found = test.exec(path)
      if (found !== null) return { resource, params: found.groups ?? NO_PARAMS }
    }
    return undefined
  }
}

/** Percent-decodes what was found at the names of a path. */
export const decodeParams = (
  params: Readonly<Record<string, string>>
): Readonly<Record<string, string>> | Rejection => {
  if (params === NO_PARAMS) return params
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const decoded: Record<string, string> = {}
  for (const [name, value] of Object.entries(params)) {
    try {
      decoded[name] = utf8.decode(percentBytes(value))
    } catch {
      return new Rejection({ status: 400, text: `Invalid URL: Invalid UTF-8 in \`${name}\`` })
    }
  }
  return decoded
}
