/**
 * What the flags of the verbs are made of.
 */

import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

interface Described {
  readonly short?: string
  /** Shown in the help only. */
  readonly preset?: string
}

const described = <A>(flag: Flag.Flag<A>, help: string, { preset, short }: Described): Flag.Flag<A> => {
  const shown = Flag.withDescription(flag, preset === undefined ? help : `${help} [default: ${preset}]`)
  return short === undefined ? shown : Flag.withAlias(shown, short)
}

/** Null where it is not given. */
export const orNull = <A>(flag: Flag.Flag<A>): Flag.Flag<A | null> => Flag.map(Flag.optional(flag), Option.getOrNull)

/** A text; null where it is not given. */
export const text = (name: string, value: string, help: string, more: Described = {}): Flag.Flag<string | null> =>
  orNull(described(Flag.withMetavar(Flag.String(name), value), help, more))

/** A whole number from 0 to `most`; null where it is not given. */
export const number = (
  name: string,
  value: string,
  most: number,
  help: string,
  preset?: string
): Flag.Flag<number | null> =>
  orNull(
    described(
      Flag.map(
        Flag.filter(
          Flag.withMetavar(Flag.String(name), value),
          (given) => /^\d{1,9}$/.test(given) && Number(given) <= most,
          () => `a whole number from 0 to ${most}`
        ),
        Number
      ),
      help,
      preset === undefined ? {} : { preset }
    )
  )

export const port = (name: string, help: string, preset?: string) => number(name, "PORT", 65_535, help, preset)

/** Given or not. */
export const flag = (name: string, help: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDefault(false), Flag.withDescription(help))

export const asJson = flag("json", "Print JSON")

/** It goes into statements without quotes. */
export const privilegedRole = Flag.String("privileged-role-name").pipe(
  Flag.withMetavar("ROLE"),
  Flag.withDescription("The role that owns what customers may do [default: neon_superuser]"),
  Flag.withDefault("neon_superuser"),
  Flag.filter(
    (role) => /^[a-z_]+$/.test(role),
    () => "only lowercase letters and underscores"
  )
)

/** The end of a verb whose flags do not fit together. */
export const misfit = (message: string): Effect.Effect<never, CliError.CliError> =>
  Effect.fail(new CliError.ValidationError({ message }))
