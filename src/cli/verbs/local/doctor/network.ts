/**
 * Whom a compute talks to at its start: can their names be resolved, do they answer, do they take the token.
 */
import * as dns from "node:dns/promises"
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { configUrl } from "../../../../domain/api/ControlPlaneAnswer.ts"
import * as ConnectionString from "../../../../domain/postgres/ConnectionString.ts"
import { shardIndexes, shardUrl } from "../../../../domain/spec/PageserverConnectionInfo.ts"
import type { ParsedSpec } from "../../../../domain/spec/ParsedSpec.ts"
import { lfcStateObject } from "../../../../domain/status/LfcState.ts"
import type { WireFailed } from "../../../../layers/sql/wire/errors.ts"
import { open } from "../../../../layers/sql/wire/Session.ts"
import * as storage from "../../../../layers/storage/endpointStorage/client.ts"
import { ask } from "../../computes/ask.ts"
import { bad, type Finding, ok, warn } from "./Finding.ts"

const PATIENCE = 5000
const ROUTE = "look at firewalls and routes, and whether it runs"

const ENDPOINT_STORAGE = "endpoint storage"

interface Peer {
  readonly name: string
  readonly host: string
  readonly port: number
  /** A connection string for what asks for a token at once. */
  readonly postgres: string | null
}

const peerOf = (name: string, url: string, postgres: boolean): ReadonlyArray<Peer> => {
  const text = url.includes("://") ? url : `tcp://${url}`
  if (!URL.canParse(text)) return []
  const { hostname, port, protocol } = new URL(text)
  const preset = protocol === "https:" ? 443 : protocol === "http:" ? 80 : 5432
  const host = hostname.replace(/^\[|\]$/g, "")
  return [{ name, host, port: port === "" ? preset : Number(port), postgres: postgres ? url : null }]
}

const peersOf = (spec: ParsedSpec | null, controlPlane: string | null): ReadonlyArray<Peer> => [
  ...(controlPlane === null ? [] : peerOf("control plane", controlPlane, false)),
  ...(spec === null
    ? []
    : [
        ...spec.safekeepers.flatMap((address) => peerOf("safekeeper", `postgresql://no_user@${address}`, true)),
        ...shardIndexes(spec.pageserver).flatMap(({ number }) => {
          const { prefer_protocol } = spec.pageserver
          const url = shardUrl(spec.pageserver, number, prefer_protocol)
          return Result.isFailure(url) ? [] : peerOf("pageserver", url.success, prefer_protocol === "libpq")
        }),
        ...(spec.endpointStorageAddr === null ? [] : peerOf(ENDPOINT_STORAGE, spec.endpointStorageAddr, false))
      ])
]

const resolves = (host: string): Effect.Effect<Finding | null> =>
  net.isIP(host) !== 0
    ? Effect.succeed(null)
    : Effect.tryPromise(() => dns.lookup(host)).pipe(
        Effect.timeout(PATIENCE),
        Effect.as(ok("resolv", host)),
        Effect.catch(() =>
          Effect.succeed(bad("resolv", `${host} has no address`, "look at /etc/resolv.conf and /etc/hosts"))
        )
      )

const answers = ({ host, name, port }: Peer): Effect.Effect<Finding> =>
  Effect.callback<Finding>((resume) => {
    const place = `${host}:${port}`
    const socket = net.connect({ host, port })
    socket.once("connect", () => resume(Effect.succeed(ok(name, `${place} answers`))))
    socket.once("error", (error) => resume(Effect.succeed(bad(name, `${place}: ${error.message}`, ROUTE))))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: PATIENCE,
      orElse: () => Effect.succeed(bad(name, `${host}:${port} has not answered in 5 s`, ROUTE))
    })
  )

const TOKEN = "the spec's storage_auth_token has to be one for this tenant, and not expired"

const explain = (name: string, place: string, error: WireFailed): Finding =>
  error.kind === "connect" || error.kind === "broken"
    ? bad(name, `${place}: ${error.message}`, ROUTE)
    : bad(name, `${place} refuses: ${error.message}`, TOKEN)

/** A session, so that the token is looked at. */
const accepts = Effect.fnUntraced(function* (
  { host, name, port, postgres }: Peer & { readonly postgres: string },
  spec: ParsedSpec | null
) {
  const place = `${host}:${port}`
  const connection = ConnectionString.parse(postgres)
  if (Result.isFailure(connection)) return bad(name, `${place}: ${connection.failure}`, "correct it in the spec")
  return yield* open({
    connection: connection.success,
    parameters: [
      ["client_encoding", "UTF8"],
      ["user", connection.success.user ?? "no_user"],
      ...(spec === null ? [] : [["options", `-c timeline_id=${spec.timelineId} tenant_id=${spec.tenantId}`] as const])
    ],
    password: spec?.storageAuthToken ?? null,
    connectTimeout: PATIENCE
  }).pipe(
    Effect.as(ok(name, spec?.storageAuthToken == null ? `${place} answers` : `${place} takes the token`)),
    Effect.catch((error) => Effect.succeed(explain(name, place, error)))
  )
}, Effect.scoped)

/** URLs of the command line. */
export interface Places {
  readonly controlPlane: string | null
  readonly extensions: string | null
}

/** Who asks the control plane. */
export interface Asker {
  readonly uri: string
  readonly computeId: string
  readonly token: Redacted.Redacted<string> | null
}

const ENDPOINT_TOKEN = "the spec's endpoint_storage_token has to be one for this endpoint, and not expired"

/** The question of a prewarm: a state that is not there is none of the token's faults. */
const storeAccepts = (peer: Peer, spec: ParsedSpec): Effect.Effect<Finding> => {
  const { host, name, port } = peer
  const object = lfcStateObject(spec, null)
  if (Result.isFailure(object)) return answers(peer)
  return storage.get(object.success).pipe(
    Effect.scoped,
    Effect.match({
      onFailure: ({ message }) => bad(name, `${host}:${port}: ${message}`, ROUTE),
      onSuccess: ({ status, statusText }) =>
        status === 400 || status === 401 || status === 403
          ? bad(name, `${host}:${port} refuses: ${statusText}`, ENDPOINT_TOKEN)
          : status >= 500
            ? warn(name, `${host}:${port} answers ${statusText}`, "look at its log: caches cannot be prewarmed")
            : ok(name, `${host}:${port} takes the token`)
    })
  )
}

/** The question of a start; whatever is answered but a refusal means that the token was taken. */
const controlPlaneAccepts = ({ computeId, token, uri }: Asker): Effect.Effect<ReadonlyArray<Finding>> => {
  const name = "control plane"
  return ask({ url: uri, token }, configUrl("", computeId)).pipe(
    Effect.as([ok(name, `it knows ${computeId}`)]),
    Effect.catchTags({
      // Said already.
      Unreachable: () => Effect.succeed([]),
      Refused: ({ error, status }) =>
        Effect.succeed([
          status === 401 || status === 403
            ? bad(name, `it refuses the token (${status})`, "NEON_CONTROL_PLANE_TOKEN has to be one for this compute")
            : bad(
                name,
                `it answers ${status} for ${computeId}${error === "" ? "" : `: ${error}`}`,
                status >= 500 ? "look at its log; a start asks again" : "look at --compute-id and --control-plane-uri"
              )
        ])
    })
  )
}

/** As it is asked at a start, where that shows whether the token is taken. */
const reach = (peer: Peer, spec: ParsedSpec | null): Effect.Effect<Finding> =>
  peer.postgres !== null
    ? accepts({ ...peer, postgres: peer.postgres }, spec)
    : peer.name === ENDPOINT_STORAGE && spec !== null
      ? storeAccepts(peer, spec)
      : answers(peer)

/** A host without an address is told once, and not asked. */
export const network = Effect.fnUntraced(function* (
  spec: ParsedSpec | null,
  { controlPlane, extensions }: Places,
  asker: Asker | null = null
) {
  const peers = [
    ...peersOf(spec, controlPlane),
    ...(extensions === null ? [] : peerOf("extension store", extensions, false))
  ]
  const hosts = [...new Set(peers.map(({ host }) => host))]
  const names = yield* Effect.forEach(hosts, (host) => Effect.map(resolves(host), (found) => ({ found, host })), {
    concurrency: 8
  })
  const nowhere = new Set(names.flatMap(({ found, host }) => (found?.state === "bad" ? [host] : [])))
  const findable = peers.filter(({ host }) => !nowhere.has(host))
  const reached = yield* Effect.forEach(findable, (peer) => reach(peer, spec), { concurrency: 8 })
  const accepted = asker === null ? [] : yield* controlPlaneAccepts(asker)
  return [...names.flatMap(({ found }) => (found === null ? [] : [found])), ...reached, ...accepted]
})
