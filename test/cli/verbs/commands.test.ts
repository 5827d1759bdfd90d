/**
 * The verbs as one tree, from outside.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { words } from "../../../src/cli/verbs/words.ts"
import { program, runProgram } from "../../rig/compute.ts"
import { tempDir } from "../../rig/postgres.ts"

const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const running = yield* runProgram(args, { env })
    const { code } = yield* running.ended
    return { code, stdout: running.stdout(), log: running.log() }
  }).pipe(Effect.scoped)

const all = <A, B>(values: ReadonlyArray<A>, check: (value: A) => Effect.Effect<B>) =>
  Effect.forEach(values, check, { concurrency: 4 })

describe("the command line of the verbs", () => {
  it.live("has a word on each verb in the help, and a page with an example for each", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(["--help"])
      assert.strictEqual(code, 0)
      for (const [verb, word] of Object.entries(words)) {
        assert.match(stdout, new RegExp(`^ +${verb} +${word.replace(/[().]/g, "\\$&")}$`, "m"))
      }
      yield* all(Object.keys(words), (verb) =>
        Effect.gen(function* () {
          const page = yield* run([verb, "--help"])
          assert.strictEqual(page.code, 0, page.log)
          assert.match(page.stdout, new RegExp(`EXAMPLES\\n  # .*\\n  compute_ctl ${verb}`), verb)
        })
      )
    })
  )

  it.live("ends wrong use with 2, for `plan` with 1, and says what to type", () =>
    all(
      [
        [2, ["stauts"], "did you mean 'status'?"],
        [2, ["openapi", "--foo"], "unexpected argument '--foo' found"],
        [2, ["check", "--confg", "x"], "did you mean '--config'?"],
        [2, ["check"], "give one of --config FILE and --spec-path FILE"],
        [2, ["check", "--config", "a", "--config", "b"], "--config"],
        [2, ["status", "--token", "x", "--token-file", "y"], "--token cannot be used with --token-file"],
        [2, ["dev", "--pg-version", "13"], "a compute runs Postgres 14 to 18, and not 13"],
        [2, ["dev", "--port", "99999"], "a whole number from 0 to 65535"],
        [2, ["version", "now"], "now"],
        [1, ["plan"], "give --config or --url"],
        [1, ["plan", "--url", "x:1", "--token", "x", "--token-file", "y"], "--token cannot be used with --token-file"],
        [2, ["status", "--url", "nonsense"], "an address as http://localhost:3080"],
        [1, ["plan", "--jsn"], "did you mean '--json'?"],
        [2, ["--version"], "did you mean 'compute_ctl version'?"]
      ] as const,
      ([code, args, says]) =>
        Effect.gen(function* () {
          const ended = yield* run(args)
          assert.strictEqual(ended.code, code, args.join(" "))
          assert.include(ended.log, says)
          assert.include(ended.log, "--help")
          assert.strictEqual(ended.stdout, "")
        })
    )
  )

  it.live("takes host and port for an address", () =>
    Effect.gen(function* () {
      const { code, log } = yield* run(["status", "--url", "127.0.0.1:2"])
      assert.strictEqual(code, 1)
      assert.include(log, "cannot reach http://127.0.0.1:2")
    })
  )

  it.live("has a verb for the version", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(["version"])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^compute_ctl \S+ \(Node \d+/)
      assert.property(JSON.parse((yield* run(["version", "--json"])).stdout), "build_tag")
    })
  )

  it.live("completes verbs, their flags, and those of the drop-in form", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(["completions", "bash"])
      assert.strictEqual(code, 0)
      const file = path.join(yield* tempDir("completions-"), "compute_ctl")
      fs.writeFileSync(file, stdout)
      const complete = `
        source "$1"
        COMP_WORDS=($2 "") COMP_LINE="$2 " COMP_POINT=$((\${#2} + 1)) COMP_CWORD=$(($(wc -w <<<"$2")))
        $(complete -p compute_ctl | sed -E 's/.*-F ([^ ]+).*/\\1/')
        printf '%s\\n' "\${COMPREPLY[@]}"`
      const offered = (line: string) =>
        String(spawnSync("bash", ["-c", complete, "bash", file, line], { encoding: "utf8" }).stdout)
          .split("\n")
          .map((word) => word.trim())
      assert.includeMembers(offered("compute_ctl"), ["status", "plan", "dev"])
      assert.include(stdout, "--safekeepers")
      assert.include(stdout, "--pgdata")
      assert.notInclude(stdout, "--completions")
    })
  )

  it.live("gives all it has to a slow reader, and lets one leave", () =>
    Effect.gen(function* () {
      const command = program()
        .map((part) => `'${part}'`)
        .join(" ")
      const sh = (line: string) =>
        Effect.sync(() => spawnSync("bash", ["-c", line], { encoding: "utf8", maxBuffer: 4 * 1024 * 1024 }))
      const whole = yield* sh(`${command} openapi | { read -r first; sleep 0.3; echo "$first"; cat; }`)
      assert.property(JSON.parse(whole.stdout), "paths")
      const left = yield* sh(`${command} openapi | head -1; echo "\${PIPESTATUS[0]}"`)
      assert.deepStrictEqual([left.stdout, left.stderr], ["{\n0\n", ""])
    })
  )
})
