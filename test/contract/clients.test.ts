/**
 * Clients that generators make of the OpenAPI document, in TypeScript and in Python: they have every operation, compile, and
 * know what a status looks like.
 *
 * The generator in Python is not npm's: `.ci/run` installs it (`requirements.txt`); where it is missing, it is not tried.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { createClient } from "@hey-api/openapi-ts"
import * as Effect from "effect/Effect"
import { successes } from "../../src/http/api/examples.ts"
import { root, tempDir } from "../rig/postgres.ts"
import { operations, text } from "./openapi.ts"

const run = promisify(execFile)
const LIMIT = 300_000

const python = path.join(root, "test/contract/venv/bin")
const hasPython = fs.existsSync(path.join(python, "openapi-python-client"))
if (!hasPython) console.warn("skipped: openapi-python-client is not installed (see test/contract/requirements.txt)")

/** Output of a tool that fails says why. */
const tool = (program: string, args: ReadonlyArray<string>, cwd: string) =>
  Effect.promise(() =>
    run(program, args, { cwd, maxBuffer: 16 * 1024 * 1024 }).catch((error: { stdout: string; stderr: string }) =>
      assert.fail(`${error.stdout}${error.stderr}`)
    )
  )

const USE_TYPESCRIPT = `
import { createClient } from "./client/client"
import { configure, startupz, status } from "./client/sdk.gen"
import type { ConfigureData, StartupzErrors, Status } from "./client/types.gen"

const client = createClient({ baseUrl: "http://localhost:3080" })
export const ask = async (body: ConfigureData["body"]): Promise<Status["status"] | string> => {
  const { data, error } = await status({ client })
  if (data === undefined) return error.error
  const start: string | { error: string } | undefined = (await startupz({ client })).error satisfies
    | StartupzErrors[keyof StartupzErrors]
    | undefined
  if (start !== undefined) return typeof start === "string" ? start : start.error
  const configured = await configure({ client, body: { ...body, compute_ctl_config: { jwks: { keys: [{ kty: "OKP" }] } } } })
  return (configured.data ?? data).status
}
`

const USE_PYTHON = `
import importlib, pkgutil, sys
import client
for found in pkgutil.walk_packages(client.__path__, "client."):
    importlib.import_module(found.name)
from client.api.lifecycle import configure, status
from client.models import ComputeSpec, Configuration, Status, StatusStatus
asked = client.AuthenticatedClient(base_url=sys.argv[1], token="t")
now = status.sync(client=asked)
assert isinstance(now, Status) and now.status is StatusStatus.RUNNING, now
assert Configuration.from_dict({"spec": {"format_version": 1, "cluster": {"roles": [], "databases": []}, "suspend_timeout_seconds": 0}, "compute_ctl_config": {"jwks": {"keys": [{"kty": "OKP"}]}}})
`

describe("a client made of the document", () => {
  it.live(
    "in TypeScript compiles",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempDir("client-ts-")
        yield* Effect.promise(() =>
          createClient({
            input: JSON.parse(text),
            output: path.join(folder, "client"),
            plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
            logs: { level: "silent" }
          })
        )
        const made = fs.readFileSync(path.join(folder, "client/sdk.gen.ts"), "utf8")
        const names = Array.from(made.matchAll(/^export const (\w+) =/gm), ([, name = ""]) => name.replace(/_$/, ""))
        const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
        assert.sameMembers(
          names,
          operations.map(({ operation }) => camel(operation.operationId))
        )
        fs.writeFileSync(path.join(folder, "use.ts"), USE_TYPESCRIPT)
        const compilerOptions = {
          ...{ noEmit: true, strict: true, target: "es2022", module: "esnext", moduleResolution: "bundler" },
          ...{ lib: ["es2022", "dom", "dom.iterable"], types: [] }
        }
        fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }))
        yield* tool(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "."], folder)
      }),
    LIMIT
  )

  it.live.skipIf(!hasPython)(
    "in Python has every operation, imports, and reads a status",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempDir("client-python-")
        fs.writeFileSync(path.join(folder, "openapi.json"), text)
        // The original calls the metrics of its extension `application/text`.
        const config = { content_type_overrides: { "application/text": "text/plain" }, post_hooks: [] }
        fs.writeFileSync(path.join(folder, "config.json"), JSON.stringify(config))
        const { stderr, stdout } = yield* tool(
          path.join(python, "openapi-python-client"),
          [
            "generate",
            "--meta",
            "none",
            "--config",
            "config.json",
            "--path",
            "openapi.json",
            "--output-path",
            "client"
          ],
          folder
        )
        assert.notMatch(`${stdout}${stderr}`, /warning|unable|omitted/i)
        const made = fs
          .readdirSync(path.join(folder, "client/api"), { recursive: true, encoding: "utf8" })
          .filter((file) => file.endsWith(".py") && !file.endsWith("__init__.py"))
          .map((file) => path.basename(file, ".py"))
        assert.sameMembers(
          made,
          operations.map(({ operation }) => operation.operationId)
        )
        const url = yield* Effect.acquireRelease(
          Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
            const server = createServer((_, answer) => {
              answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(successes["status"]))
            })
            server.listen(0, "127.0.0.1", () => {
              const { port } = server.address() as AddressInfo
              resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close: () => server.close() }))
            })
          }),
          ({ close }) => Effect.sync(close)
        )
        yield* tool(path.join(python, "python"), ["-c", USE_PYTHON, url.url], folder)
      }),
    LIMIT
  )
})
