import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseArguments } from "../../src/cli/arguments.ts"

const required = [
  "-D",
  "/d",
  "-C",
  "postgresql://cloud_admin@127.0.0.1:5432/postgres",
  "-i",
  "c",
  "-c",
  "f.json",
  "-b",
  "/b/postgres"
]
const parse = (...more: ReadonlyArray<string>) => parseArguments([...required, ...more], {})
const options = (...more: ReadonlyArray<string>) => Result.getOrThrow(parse(...more)).options
const message = (...more: ReadonlyArray<string>) => Result.getOrThrow(Result.flip(parse(...more))).message

interface Recorded {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly exit: number | "serves" | "nonzero"
}
const recorded: ReadonlyArray<Recorded> = JSON.parse(
  fs.readFileSync(new URL("../golden/cli.json", import.meta.url), "utf8")
)

describe("recorded command lines", () => {
  for (const { name, args, exit } of recorded) {
    if (name.startsWith("help")) continue
    it(name, () => {
      const values = args.map((arg) =>
        arg.replaceAll("PGBIN", "/b/postgres").replaceAll("PGDATA", "/d").replace(/^HP$/, "5000")
      )
      const isUsageError = Result.isFailure(parseArguments(values, {}))
      if (exit === 2) assert.isTrue(isUsageError)
      if (exit === "serves" || exit === 1) assert.isFalse(isUsageError)
    })
  }
})

it("a base URL ends in one slash and has no parameters", () => {
  assert.strictEqual(options("--remote-ext-base-url", "http://gw/a//").remoteExtBaseUrl, "http://gw/a/")
  assert.strictEqual(options("--remote-ext-base-url=http://gw").remoteExtBaseUrl, "http://gw/")
  assert.match(message("-r", "http://gw?x=1"), /parameters detected in remote extensions base URL/)
})

it("one port for both servers counts in lakebase mode only", () => {
  const ports = ({ externalHttpPort, internalHttpPort }: ReturnType<typeof options>) => [
    externalHttpPort,
    internalHttpPort
  ]
  assert.deepStrictEqual(ports(options("--http-port", "5000", "--lakebase-mode", "true")), [5000, 5001])
  assert.deepStrictEqual(ports(options("--http-port", "5000")), [3080, 3081])
  assert.match(message("--http-port", "5000", "--external-http-port", "3080"), /cannot be used with/)
})

it("a pause of nothing between two looks into all databases is refused", () => {
  assert.strictEqual(options("--installed-extensions-collection-interval", "1").installedExtensionsInterval, 1)
  assert.match(
    message("--installed-extensions-collection-interval", "0"),
    /invalid value '0' .*: not a whole number from 1/
  )
})

it("a flag beats its variable", () => {
  const env = { POSTGRES_PATH: "/env/postgres" }
  const without = required.slice(0, -2)
  assert.strictEqual(Result.getOrThrow(parseArguments(without, env)).options.pgbin, "/env/postgres")
  assert.strictEqual(Result.getOrThrow(parseArguments(required, env)).options.pgbin, "/b/postgres")
})

it("an empty AUTOSCALING means a virtual machine too", () => {
  assert.isTrue(Result.getOrThrow(parseArguments(required, { AUTOSCALING: "" })).options.isVm)
  assert.isFalse(options().isVm)
})

it("a bare spec may leave the compute id out", () => {
  const argv = ["-D", "/d", "-C", "postgresql://h/d", "-S", "spec.json", "-b", "/b/postgres"]
  const parsed = Result.getOrThrow(parseArguments(argv, {}))
  assert.isTrue(parsed.computeIdFromSpec)
  assert.strictEqual(parsed.specPath, "spec.json")
})

it("a mistyped flag is named, with what was meant", () => {
  const error = Result.getOrThrow(Result.flip(parse("--pgda", "x")))
  assert.match(error.message, /unexpected argument '--pgda'/)
  assert.strictEqual(error.hint, "did you mean '--pgdata'?")
})
