/**
 * Places where a test makes the program fail or wait, and the words that say so.
 *
 * Source: the `fail` crate's configuration, as far as the original's tests use it; `compute_tools/src/http/routes/failpoints.rs`.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { excerpt } from "../json/Excerpt.ts"

const names = ["compute-migration", "compute-prewarm", "compute-promotion"] as const
export type Failpoint = (typeof names)[number]

export type Action =
  /** Leaves early; the value is the place's own affair. */
  | { readonly _tag: "Return"; readonly value: string }
  | { readonly _tag: "Sleep"; readonly millis: number }
  /** Until the failpoint is set to something else. */
  | { readonly _tag: "Pause" }
  | { readonly _tag: "Panic"; readonly message: string }
  /** Of the process, with code 1. */
  | { readonly _tag: "Exit" }

/** Null: nothing happens there any more. */
export const parseAction = (text: string): Result.Result<Action | null, string> => {
  const [, name = "", value = ""] = /^\s*([a-z]+)(?:\((.*)\))?\s*$/s.exec(text) ?? []
  switch (name) {
    case "off":
      return Result.succeed(null)
    case "return":
      return Result.succeed({ _tag: "Return", value })
    case "sleep":
      return /^\d{1,9}$/.test(value)
        ? Result.succeed({ _tag: "Sleep", millis: Number(value) })
        : Result.fail(`not a number of milliseconds: ${excerpt(text)}`)
    case "pause":
      return Result.succeed({ _tag: "Pause" })
    case "panic":
      return Result.succeed({ _tag: "Panic", message: value })
    case "exit":
      return Result.succeed({ _tag: "Exit" })
    default:
      return Result.fail(`not an action: ${excerpt(text)}`)
  }
}

/** `name=action;name=action` */
export const parseList = (text: string): ReadonlyArray<readonly [name: string, action: string]> =>
  text
    .split(";")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const at = part.indexOf("=")
      return at < 0 ? ([part.trim(), ""] as const) : ([part.slice(0, at).trim(), part.slice(at + 1)] as const)
    })

/** The original's own test fixture writes `action`. */
export const FailpointConfig = Schema.Struct({
  name: Schema.String,
  actions: Schema.optional(Schema.String),
  action: Schema.optional(Schema.String)
})
