/**
 * Builds the image under the name that is given, else `compute_ctl:dev`: `npm run image -- NAME`. `--short`: of the executable
 * that is built already; and a container of it is run as the suite runs them, so that a machine that cannot is told from a fault.
 */
import { built } from "./built.ts"
import { call, hardened, hasEngine } from "./engine.ts"

const words = process.argv.slice(2)
const [name = "compute_ctl:dev"] = words.filter((word) => word !== "--short")
const short = words.includes("--short")

const make = async () => {
  if (!hasEngine) throw new Error("neither podman nor docker answers")
  await built(name, { DEBIAN: "12.11", POSTGRES_MAJOR: "15" }, short)
  if (short) call("run", "--rm", ...hardened, "--memory=400m", "--network=none", "--entrypoint=/bin/true", name)
  console.log(name)
}

await make().catch((error) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
