/**
 * Bodies that people write by hand: every fault is told, and what nobody reads. Loaded when one comes.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { allFaultSteps } from "../../../domain/json/decode/Decode.ts"
import { ignored } from "../../../domain/json/decode/Unread.ts"
import { readSteps } from "../../../domain/json/Json.ts"
import type { Steps } from "../../../domain/json/Steps.ts"
import { Utf8Text } from "../../../domain/json/Utf8.ts"
import { resultInSlices } from "../../../layers/compute/clock/Slices.ts"
import type { Body } from "./bodies.ts"
import { isJson, notJson, parse } from "./body.ts"
import { type Fault, Rejection } from "./Rejection.ts"
import type { Sent } from "./Request.ts"

/** Bytes of a body that is read once more: longer ones are made by programs. */
const EXPLAINED = 1024 * 1024

const isShort = (body: Body): boolean => body.reduce((sum, { length }) => sum + length, 0) <= EXPLAINED

function* explained<B>(
  schema: Schema.Codec<B, unknown>,
  body: Body
): Steps<Result.Result<{ readonly value: B; readonly unread: ReadonlyArray<Fault> }, Rejection>> {
  const parsed = yield* parse(schema, body)
  if (Result.isSuccess(parsed)) {
    const unread = isShort(body) ? ignored(schema, (yield* readSteps(new Utf8Text(body))).value) : []
    return Result.succeed({ value: parsed.success, unread })
  }
  const { status, text } = parsed.failure
  if (status !== 422 || !isShort(body)) return Result.fail(parsed.failure)
  const found = yield* allFaultSteps(schema, new Utf8Text(body), { trailing: "ignore" })
  return Result.fail(new Rejection({ status, text, faults: found.map(({ message, path }) => ({ path, message })) }))
}

/** As `decodeBody`, for people: with every fault of a body that is not too long, and with what of it nobody reads. */
export const explainBody = <B>(schema: Schema.Codec<B, unknown>, limit: number, request: Sent) =>
  isJson(request) ? request.body(limit, (body) => resultInSlices(explained(schema, body))) : notJson
