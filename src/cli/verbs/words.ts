/**
 * The verbs, with a word on each. This list alone is in the start path; what is behind it is loaded when a verb is used.
 */
export const words = {
  check: "decodes and validates a configuration, and prints what it would run",
  conf: "prints the postgresql.conf that a start would write",
  diff: "what a reconfiguration from one configuration to another would change",
  plan: "a dry run of the catalog changes, with reasons",
  status: "what a running compute does, and what it waits for",
  top: "a line for each of many computes",
  apply: "the last apply of the catalog, with the steps that failed",
  activity: "why a compute counts as used",
  history: "what has happened to a compute: changes of its status, applies, refreshes",
  report: "one file for who asks for help, without secrets",
  doctor: "what of this machine would hinder a start, with a remedy for each",
  openapi: "an OpenAPI description of the API",
  dev: "a whole compute on this machine: emulated storage, a real Postgres",
  emulate: "everything a compute talks to, as a process of its own, with faults by script",
  "fast-import": "what fast_import does: imports a database into storage, or into a running server",
  version: "which build this is",
  completions: "a script that completes verbs and flags in a shell"
} as const

export type Verb = keyof typeof words

/** A line each. */
export const listing = (): string => {
  const width = Math.max(...Object.keys(words).map((verb) => verb.length))
  return Object.entries(words)
    .map(([verb, word]) => `  ${verb.padEnd(width)}  ${word}`)
    .join("\n")
}
