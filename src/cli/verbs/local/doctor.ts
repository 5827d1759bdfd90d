/**
 * `compute_ctl doctor`: what of this machine would hinder a start, with a remedy for each.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type Checked, check } from "../../../domain/conf/Check.ts"
import { portOf } from "../../../domain/postgres/ConnectionString.ts"
import { wallMillis } from "../../../layers/compute/clock/WallClock.ts"
import { Variables } from "../../../layers/machine/process/Variables.ts"
import type { UsageError } from "../../flags.ts"
import { columns, print } from "../../output.ts"
import { harmless } from "../../terminal/harmless.ts"
import { ofTerminal, type Paint, plain } from "../../terminal/Paint.ts"
import { row } from "../../terminal/sections.ts"
import { table } from "../../terminal/table.ts"
import { contextOf, faultLine, readFile } from "../documents/document.ts"
import { bad, type Finding } from "./doctor/Finding.ts"
import * as machine from "./doctor/machine.ts"
import { type Asker, network } from "./doctor/network.ts"
import { server } from "./doctor/server.ts"
import { tokenTimes } from "./doctor/token.ts"

export interface DoctorOptions {
  readonly pgbin: string | null
  readonly pgdata: string | null
  readonly config: string | null
  readonly specPath: string | null
  readonly remoteExtBaseUrl: string | null
  readonly connstr: string | null
  readonly controlPlaneUri: string | null
  readonly computeId: string | null
  readonly externalHttpPort: number
  readonly internalHttpPort: number
  readonly privilegedRole: string
  readonly json: boolean
}

const WELL = 0
const HINDERED = 1

/** The configuration, or what is wrong with it. */
const configuration = (
  given: DoctorOptions
): Effect.Effect<{ readonly checked: Checked | null; readonly faults: ReadonlyArray<Finding> }, UsageError> => {
  const file = given.config ?? given.specPath
  if (file === null) return Effect.succeed({ checked: null, faults: [] })
  const document = given.config === null ? "spec" : "config"
  return Effect.map(readFile(file), (text) =>
    Result.match(check(document, text, { ...contextOf(given), tls: false }), {
      onSuccess: (checked) => ({ checked, faults: [] }),
      onFailure: (faults) => ({
        checked: null,
        faults: faults.map((fault) =>
          bad("configuration", faultLine(file, fault), "correct it; `compute_ctl check` looks again")
        )
      })
    })
  )
}

const askerOf = ({ computeId, controlPlaneUri }: DoctorOptions): Asker | null => {
  if (controlPlaneUri === null || computeId === null) return null
  const token = process.env["NEON_CONTROL_PLANE_TOKEN"]
  return { uri: controlPlaneUri, computeId, token: token === undefined ? null : Redacted.make(token) }
}

const look = (given: DoctorOptions): Effect.Effect<ReadonlyArray<Finding>, UsageError> =>
  Effect.gen(function* () {
    const { checked, faults } = yield* configuration(given)
    const now = yield* wallMillis
    const spec = checked?.spec ?? null
    const token = spec?.storageAuthToken ?? null
    const program = fs.statSync(process.execPath).mtimeMs
    const { postgresPath } = yield* Variables
    const pgbin = given.pgbin ?? postgresPath ?? "postgres"
    const ports = [
      machine.port("--external-http-port", given.externalHttpPort),
      machine.port("--internal-http-port", given.internalHttpPort, machine.LOOPBACK),
      ...(given.connstr === null ? [] : [machine.port("--connstr", portOf(given.connstr))])
    ]
    return [
      ...faults,
      ...(yield* server(pgbin, checked, { ...contextOf(given), tls: false })),
      machine.account(machine.read("/etc/passwd"), process.getuid?.()),
      ...(given.pgdata === null ? [] : machine.dataFolder(given.pgdata)),
      ...(yield* Effect.all(ports)),
      ...machine.processLimits(machine.read("/proc/self/limits")),
      ...machine.sharedMemory(),
      machine.clock(now, program),
      ...(token === null ? [] : tokenTimes(Redacted.value(token), now)),
      ...(yield* network(
        spec,
        { controlPlane: given.controlPlaneUri, extensions: given.remoteExtBaseUrl },
        askerOf(given)
      ))
    ]
  })

const paintOf = (paint: Paint, state: Finding["state"]): string =>
  state === "ok" ? paint.good("ok") : state === "warn" ? paint.warn("warning") : paint.bad("hinders")

/** What the flags did not name. */
const unseen = ({ config, controlPlaneUri, pgdata, specPath }: DoctorOptions): ReadonlyArray<string> => [
  ...(pgdata === null ? ["the data directory and its disk (--pgdata)"] : []),
  ...(config === null && specPath === null && controlPlaneUri === null
    ? ["the configuration, storage and its token (--config)"]
    : [])
]

export const doctorText = (
  found: ReadonlyArray<Finding>,
  paint: Paint = plain,
  room: number | null = null,
  notLookedAt: ReadonlyArray<string> = []
): string => {
  const lines = table(
    found.map(({ name, says, state }) => [paintOf(paint, state), name, harmless(says)]),
    room,
    paint
  )
  const hindering = found.filter(({ state }) => state === "bad").length
  const remedies = found.flatMap(({ name, remedy, says }) =>
    remedy === null ? [] : row(name, `${harmless(says)}\n-> ${remedy}`)
  )
  return [
    ...lines,
    "",
    ...(remedies.length === 0 ? [] : [paint.head("What to do"), ...remedies, ""]),
    hindering === 0 ? "nothing hinders a start" : `${hindering} of ${found.length} would hinder a start`,
    ...(notLookedAt.length === 0 ? [] : [paint.dim(`not looked at: ${notLookedAt.join(", ")}`)])
  ].join("\n")
}

export const doctor = Effect.fnUntraced(function* (given: DoctorOptions) {
  const found = yield* look(given)
  const text = given.json ? JSON.stringify(found, null, 2) : doctorText(found, ofTerminal(), columns(), unseen(given))
  yield* print(text)
  return found.some(({ state }) => state === "bad") ? HINDERED : WELL
})
