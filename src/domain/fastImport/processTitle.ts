/** A command line as everybody may see it: without the values of what is secret. */
const SECRET = /^--(?:source|destination)-connection-string$/

const HIDDEN = "***"

/** Null when there is nothing to hide. */
export const processTitle = (program: string, argv: ReadonlyArray<string>): string | null => {
  const shown = argv.map((word, at) => {
    const [option = ""] = word.split("=", 1)
    if (SECRET.test(option) && word !== option) return `${option}=${HIDDEN}`
    return SECRET.test(argv[at - 1] ?? "") ? HIDDEN : word
  })
  return shown.every((word, at) => word === argv[at]) ? null : [program, ...shown].join(" ")
}
