/**
 * What a step brings about and others depend on, in the words in which a report names it. Where a step fails, nothing is
 * tried that depends on its outcome: the follow-up errors would only hide the first one.
 */
import { stored } from "../Name.ts"
import { named } from "./Step.ts"

export const role = (name: string): string => named("role", stored(name))
export const database = (name: string): string => named("database", stored(name))
export const schema = (name: string): string => named("schema", name)
export const extension = (name: string): string => named("extension", name)
export const table = (name: string): string => named("table", name)

/** The name is free again. */
export const freed = (thing: string): string => `the name of ${thing} to be free`
export const ownerOf = (name: string): string => `the owner of ${database(name)}`
export const withoutSubscriptions = (name: string): string => `the removal of subscriptions from ${database(name)}`
export const ordinary = (name: string): string => `${database(name)} to be no template`
