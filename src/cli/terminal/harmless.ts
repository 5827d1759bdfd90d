/**
 * Texts of others on their way to a terminal.
 */

/** Control characters, and those that turn or end a line for whoever reads it. */
const UNWELCOME =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken away.
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Of what a compute or a file says nothing commands the terminal. Tabs and ends of lines stay. */
export const harmless = (text: string): string => text.replace(UNWELCOME, "?")

/** With the codes of our own paint, which set nothing but colours, apart. */
const PAINTED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken away.
  /(\x1b\[(?:[012]|3[123])m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** As `harmless`, for what has been painted. */
export const harmlessPainted = (text: string): string =>
  text.replace(PAINTED, (_, paint: string | undefined) => paint ?? "?")
