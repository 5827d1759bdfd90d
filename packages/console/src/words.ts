/**
 * Times, sizes and names as people read them.
 */

/** `4 s`, `2 min 5 s`, `3 h 2 min`. */
export const lasting = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (millis >= 0 && millis < 1000) return `${Math.round(millis)} ms`
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** For clocks that run: nobody reads milliseconds that jump. */
export const running = (millis: number): string => (millis < 1000 ? "0 s" : lasting(millis))

export const size = (bytes: number): string => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  const at = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** at
  return `${value < 10 && at > 0 ? value.toFixed(1) : Math.round(value)} ${units[at]}`
}

export const number = (value: number): string => value.toLocaleString("en")

/** `1 step`, `2 steps`. */
export const counted = (count: number, noun: string): string => `${number(count)} ${noun}${count === 1 ? "" : "s"}`

/** `07:46:18`, with the date where it is of another day. */
export const clock = (iso: string): string => {
  const at = new Date(iso)
  const time = at.toLocaleTimeString("en-GB")
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString("en-CA")} ${time}`
}

export const spoken = (name: string): string => name.replaceAll("_", " ")

/**
 * An error and what it came of, from the outermost on: its head, and after `Caused by:` one cause that is indented, or
 * several with numbers.
 */
export const causes = (error: string): ReadonlyArray<string> => {
  const [head = "", list] = error.split(/\n\nCaused by:\n/, 2)
  const rest = list === undefined ? [] : list.split(/\n(?= {0,4}\d+: )/)
  return [head, ...rest.map((cause) => cause.replace(/^ *(?:\d+: )?/, "").replaceAll(/\n +/g, "\n"))].filter(
    (part) => part.trim() !== ""
  )
}

/** A place in a spec: `spec.cluster.roles[3].name`. */
const PLACE = /\b(?:spec|cluster|compute_ctl_config)(?:\.[A-Za-z_][\w-]*|\[\d+\])+/g

/** A text in turns: what stands between places, and a place. */
export const places = (text: string): ReadonlyArray<{ readonly text: string; readonly isPlace: boolean }> => {
  const parts: Array<{ readonly text: string; readonly isPlace: boolean }> = []
  let end = 0
  for (const { 0: found, index } of text.matchAll(PLACE)) {
    if (index > end) parts.push({ text: text.slice(end, index), isPlace: false })
    parts.push({ text: found, isPlace: true })
    end = index + found.length
  }
  if (end < text.length) parts.push({ text: text.slice(end), isPlace: false })
  return parts
}
