/**
 * The variables of the environment that mean us, besides those that stand for a flag: read once, when the process starts.
 */
import * as Context from "effect/Context"
import { type Proxies, parseProxies } from "../../../domain/api/Proxies.ts"

export interface VariablesShape {
  readonly proxies: Proxies
}

type Environment = Readonly<Record<string, string | undefined>>

export const decodeVariables = (env: Environment): VariablesShape => ({ proxies: parseProxies(env) })

/** Where nobody read an environment, none of them is set. */
export const Variables = Context.Reference<VariablesShape>("compute/Variables", {
  defaultValue: () => decodeVariables({})
})
