import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { step } from "../../../../../src/domain/catalog/plan/Step.ts"
import type { Event } from "../../../../../src/domain/status/Event.ts"
import { makeJournal } from "../../../../../src/layers/catalog/apply/journal/journal.ts"
import { History, tell } from "../../../../../src/layers/compute/History.ts"

const terminated = { kind: "state", from: null, status: "terminated", cause: null, error: null } as const

it.effect("listeners are told of steps, of the first fifty where many are done at once", () =>
  Effect.gen(function* () {
    const { listen, recent } = yield* History
    const heard = (yield* listen(() => {})) ?? Stream.empty
    const journal = yield* makeJournal("start")
    const steps = Array.from({ length: 60 }, (_, index) => step(`role "r${index}"`, "it is missing", ""))
    yield* journal.found("create and alter roles", steps)
    yield* journal.began(steps.slice(0, 1))
    yield* journal.skipped(steps.slice(1, 2), "it depends on another")
    yield* journal.done(steps)
    yield* journal.closed("done", null)
    yield* tell(terminated)
    const events = [...(yield* Stream.runCollect(heard))].filter((event: Event) => event.kind === "step")
    assert.deepInclude(events[0], {
      object: 'role "r0"',
      state: "running",
      phase: "create and alter roles",
      reason: null
    })
    assert.deepInclude(events[1], { object: 'role "r1"', state: "skipped", reason: "it depends on another" })
    assert.strictEqual(events.length, 52)
    assert.deepInclude(events.at(-1), { object: "11 objects", state: "done" })
    const [apply] = yield* recent
    assert.deepInclude(apply, { kind: "apply", trigger: "start", state: "done", error: null })
  }).pipe(Effect.scoped, Effect.provide(History.layer))
)

it.effect("an apply that is over tells what it did, and has let go of the statements", () =>
  Effect.gen(function* () {
    const journal = yield* makeJournal("reconfigure")
    const done = step('role "a"', "missing", "CREATE ROLE a", { statement: "CREATE ROLE a PASSWORD 'of a'" })
    const left = step('role "b"', "missing", "CREATE ROLE b")
    yield* journal.found("create and alter roles", [done, left])
    yield* journal.began([done])
    yield* journal.done([done])
    yield* journal.closed("failed", "broken")
    assert.isFalse(journal.isDone(done))
    const [phase] = (yield* journal.report).phases
    assert.deepStrictEqual(
      phase?.steps.map(({ because, object, sql, state }) => ({ because, object, sql, state })),
      [
        { because: null, object: 'role "a"', sql: "CREATE ROLE a", state: "done" },
        { because: "the apply ended before", object: 'role "b"', sql: "CREATE ROLE b", state: "skipped" }
      ]
    )
  }).pipe(Effect.scoped, Effect.provide(History.layer))
)
