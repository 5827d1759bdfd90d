import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { root } from "../rig/postgres.ts"

/** Every script of ours that a script imports, itself included, relative to the root. */
const reached = (script: string, known = new Set<string>()): ReadonlySet<string> => {
  if (known.has(script)) return known
  known.add(script)
  const text = fs.readFileSync(path.join(root, script), "utf8")
  for (const [, from = ""] of text.matchAll(/from "(\.[^"]+\.mjs)"/g))
    reached(path.join(path.dirname(script), from), known)
  return known
}

describe("A build", () => {
  it("is made anew when anything of it is newer: the program, the scripts that build it, and the rehearsal's parts", () => {
    const script = fs.readFileSync(path.join(root, "scripts/bootstrap.sh"), "utf8")
    const places = /\$\(find (.+) -newer dist\/compute_ctl/.exec(script)?.[1]
    assert.isDefined(places)
    const looked = new Set(
      execFileSync("bash", ["-c", `find ${places} -not -path "*/node_modules/*"`], {
        cwd: root,
        encoding: "utf8"
      }).split("\n")
    )
    const parts = fs.readdirSync(path.join(root, "scripts/rehearsal")).map((name) => `scripts/rehearsal/${name}`)
    for (const file of ["src/main.ts", ...reached("scripts/build.mjs"), ...parts]) assert.isTrue(looked.has(file), file)
  })
})
