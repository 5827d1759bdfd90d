/** Builds the image under the name that is given, else `compute_ctl:dev`: `npm run image -- NAME`. */
import { built } from "./built.ts"
import { hasEngine } from "./engine.ts"

const [name = "compute_ctl:dev"] = process.argv.slice(2)
if (hasEngine) {
  await built(name, { DEBIAN: "12.11", POSTGRES_MAJOR: "15" })
  console.log(name)
} else {
  console.error("neither podman nor docker answers")
  process.exitCode = 1
}
