/**
 * What the user of `dev` is told once the compute is up.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import { isSea } from "node:sea"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { print } from "../../../output.ts"
import { connstr, type DevCompute } from "./compute.ts"

/** Requests of our own: what the compute logs about them is not for the user. */
const REQUEST_ID = `dev-${randomUUID()}`

export const isOurs = (line: string): boolean => line.includes(REQUEST_ID)

const get = (url: string, token: string) =>
  Effect.tryPromise(async (signal) => {
    const headers = { authorization: `Bearer ${token}`, "x-request-id": REQUEST_ID }
    return await (await fetch(url, { signal, headers })).text()
  })

/** As the user can type it. */
const ourselves = (): string => {
  if (!isSea()) return `${process.execPath} ${process.argv[1] ?? ""}`.trim()
  const near = path.relative(process.cwd(), process.execPath)
  return near.startsWith("..") ? process.execPath : near.includes("/") ? near : `./${near}`
}

const explanation = (compute: DevCompute): string => {
  const url = `http://127.0.0.1:${compute.ports.external}`
  const authorized = `-H "Authorization: Bearer ${compute.token}"`
  return [
    "",
    ...(compute.empty
      ? [
          "The compute is empty and waits for a spec:",
          "",
          `  curl ${authorized} -H "Content-Type: application/json" \\`,
          `    --data @${compute.dir}/configure.json ${url}/configure`
        ]
      : [
          "The compute is running:",
          "",
          `  psql postgresql://app@127.0.0.1:${compute.ports.postgres}/app`,
          `  psql ${connstr(compute)}  (administrator: such sessions do not count as use)`
        ]),
    "",
    `  ${ourselves()} status --url ${url} --token-file ${compute.tokenFile}`,
    `  curl ${authorized} ${url}/status`,
    `  curl ${url}/metrics`,
    "",
    // The fragment reaches no server, and the page takes it out of the address.
    `Console: ${url}/console#token=${compute.token}`,
    `External API: ${url}, internal API: http://127.0.0.1:${compute.ports.internal}`,
    compute.kept === null ? "Nothing is kept." : `Kept when it ends: ${compute.kept}; --fresh begins anew.`,
    "Ctrl-C stops it.",
    ""
  ].join("\n")
}

/** Told once, when it is up; nothing when it never will be. */
export const welcome = (compute: DevCompute): Effect.Effect<void> => {
  const wanted = compute.empty ? '"status":"empty"' : '"status":"running"'
  return get(`http://127.0.0.1:${compute.ports.external}/status`, compute.token).pipe(
    Effect.filterOrFail((text) => text.includes(wanted) || text.includes('"status":"failed"')),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.flatMap((text) => (text.includes(wanted) ? print(explanation(compute)) : Effect.void)),
    Effect.ignore
  )
}
