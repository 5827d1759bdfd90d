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
import { root, tempDir } from "../../rig/postgres.ts"

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
        [2, ["diff", "--config", "a"], "give --config FILE twice: the old configuration, and then the new one"],
        [2, ["diff", "--config", "-", "--config", "-"], "only one of the two can be `-`"],
        [2, ["report", "--lines", "many"], "a whole number from 0 to 100000"],
        [2, ["completions"], "<bash|zsh|fish|powershell>"],
        [2, ["--pgdta", "x"], "did you mean '--pgdata'?"],
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

  it.live("takes host and port for an address, and asks whether somebody listens there", () =>
    Effect.gen(function* () {
      const { code, log } = yield* run(["status", "--url", "127.0.0.1:2"])
      assert.strictEqual(code, 1)
      assert.match(log, /^Error: cannot reach http:\/\/127\.0\.0\.1:2: .*ECONNREFUSED.*\n {2}tip: nobody listens there/)
    })
  )

  it.live("does not repeat a password that stands where none is taken", () =>
    Effect.gen(function* () {
      const { code, log } = yield* run(["status", "--url", "http://me:hunter2@127.0.0.1:2"])
      assert.strictEqual(code, 2)
      assert.include(log, "without a user or a path")
      assert.notInclude(log, "hunter2")
    })
  )

  it.live("says which Postgres a plan could not ask, and how to name another", () =>
    Effect.gen(function* () {
      const { code, log } = yield* run(["plan", "--config", path.join(root, "deploy/config.example.json")])
      assert.strictEqual(code, 1)
      assert.match(log, /^Error: Postgres at localhost:5432: .*\n {2}tip: --connstr URL names another Postgres/)
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
        COMP_WORDS=($2 "$3") COMP_LINE="$2 $3" COMP_POINT=$((\${#2} + 1 + \${#3})) COMP_CWORD=$(($(wc -w <<<"$2")))
        $(complete -p compute_ctl | sed -E 's/.*-F ([^ ]+).*/\\1/') compute_ctl "$3" "\${2##* }"
        printf '%s\\n' "\${COMPREPLY[@]}"`
      const offered = (line: string, begun = "") =>
        String(spawnSync("bash", ["-c", complete, "bash", file, line, begun], { encoding: "utf8" }).stdout)
          .split("\n")
          .map((word) => word.trim())
          .filter((word) => word !== "")
      assert.sameMembers(offered("compute_ctl"), Object.keys(words))
      assert.sameMembers(offered("compute_ctl completions"), ["bash", "zsh", "fish", "powershell"])
      assert.sameMembers(offered("compute_ctl --log-format"), ["text", "json"])
      assert.includeMembers(offered("compute_ctl status", "--"), ["--url", "--watch", "--help"])
      assert.includeMembers(offered("compute_ctl fast-import", "--"), ["--working-directory", "--at-once"])
      assert.includeMembers(offered("compute_ctl fast-import pgdata", "--"), ["--num-cpus"])
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
