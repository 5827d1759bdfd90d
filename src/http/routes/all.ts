/**
 * Every route of both servers.
 */
import type { Needs } from "../Route.ts"

export const routes = [] as const

/** What the servers need from the layers. */
export type Requirements = Needs<typeof routes>
