import { assert, it } from "@effect/vitest"
import { parseControlFile } from "../../../src/domain/catalog/ControlFile.ts"

it("a control file's values are read as Postgres does", () => {
  const text = `# neon extension
comment = 'cloud''s storage' # a comment
default_version = '1.6'
Relocatable = true
 schema='a\\'b'
module_pathname = '$libdir/neon'
directory "none"
superuser false
default_version = '1.7'`
  assert.deepStrictEqual(Object.fromEntries(parseControlFile(text)), {
    comment: "cloud's storage",
    default_version: "1.7",
    relocatable: "true",
    schema: "a'b",
    module_pathname: "$libdir/neon",
    directory: '"none"',
    superuser: "false"
  })
})
