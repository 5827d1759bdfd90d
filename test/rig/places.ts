/**
 * A machine that keeps its programs and files elsewhere.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { type MachinePlaces, Places } from "../../src/layers/machine/Places.ts"

export const placed = (some: Partial<MachinePlaces>) =>
  Layer.succeed(Places, { ...Context.get(Context.empty(), Places), ...some })
