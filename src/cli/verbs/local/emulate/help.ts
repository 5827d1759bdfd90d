import { help as controlHelp } from "../../../../emulator/ControlPort.ts"

/** What stands below the flags of `compute_ctl emulate --help`. */
export const help = `CONTROL PORT (HTTP)
${controlHelp
  .trimEnd()
  .split("\n")
  .map((line) => `  ${line}`)
  .join("\n")}`
