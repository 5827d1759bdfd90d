/**
 * What a Postgres said that ended before its time, for the error of who waited for it.
 */
import { shortened } from "../json/Excerpt.ts"
import { redact } from "../observe/Redaction.ts"

/** Messages that are kept, and characters of each. */
const MOST = 5
const LONGEST = 400

/** Behind a prefix that is anybody's choice. */
const SEVERITY = /(?:^|[\s:])(LOG|WARNING|ERROR|FATAL|PANIC): {1,3}/
/** What Postgres says of its configuration before the FATAL line that only says that there was something. */
const ABOUT_CONFIGURATION =
  /in file "[^"]*"|^LOG:\s+(?:invalid value for parameter|parameter |unrecognized configuration)/
/** Who knocks at a door that is not open yet, or is thrown out by what happens to the others, is not the reason. */
const OF_SESSIONS =
  /^FATAL:\s+(?:the database system is|terminating|connection to client lost|password authentication|no pg_hba|role "|database "|remaining connection slots|sorry, too many|too many connections|canceling)/
/** Lines of a message that explain it; the others may repeat a user's statement. */
const EXPLAINS = /^(?:DETAIL|HINT):/
const SEPARATOR = "\u200B"

/** The message without its prefix; null when it is no reason to end. */
const reason = (message: string): string | null => {
  const [first = "", ...more] = message.slice(0, 8 * LONGEST).split(SEPARATOR)
  const found = SEVERITY.exec(first)
  const severity = found?.[1]
  if (found === null || severity === undefined) return null
  const said = first.slice(found.index + found[0].indexOf(severity))
  const isLast = severity === "FATAL" || severity === "PANIC"
  if (isLast ? OF_SESSIONS.test(said) : !ABOUT_CONFIGURATION.test(said)) return null
  const explained = more.map((line) => line.slice(Math.max(0, line.search(/(?:DETAIL|HINT):/))).trim())
  return shortened(redact([said, ...explained.filter((line) => EXPLAINS.test(line))].join(" "))).slice(0, LONGEST)
}

/** What was kept before, and this message of Postgres' log if it may be why it ends. */
export const heard = (kept: ReadonlyArray<string>, message: string): ReadonlyArray<string> => {
  const said = reason(message)
  return said === null || kept.includes(said) ? kept : [...kept, said].slice(-MOST)
}

/** Goes behind the error's own text; empty where nothing was said. */
export const inWords = (kept: ReadonlyArray<string>): string => (kept.length === 0 ? "" : `: ${kept.join("; ")}`)
