/**
 * Identities of what a compute serves: tenant, timeline, shard.
 *
 * Source: `libs/utils/src/{id,shard}.rs`.
 */

import type * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { refused } from "../json/decode/Shapes.ts"
import { excerpt } from "../json/Excerpt.ts"

export type TenantId = string & Brand.Brand<"TenantId">
export type TimelineId = string & Brand.Brand<"TimelineId">

/** Why 32 hex digits are not an id, in the words of the hex parser that clients know. */
const hexFault = (text: string): string | undefined => {
  if (text.length % 2 === 1) return "Odd number of digits"
  if (text.length !== 32) return "Invalid string length"
  const at = text.search(/[^0-9a-fA-F]/)
  return at < 0 ? undefined : `Invalid character '${text[at]}' at position ${at}`
}

const hexId = <B extends string>(identifier: B) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.declare((input): input is string & Brand.Brand<B> => typeof input === "string", { identifier }),
      SchemaTransformation.transformEffect({
        decode: (text) => {
          const fault = hexFault(text)
          return fault === undefined
            ? Effect.succeed(text.toLowerCase() as string & Brand.Brand<B>)
            : Effect.fail(refused(fault))
        },
        encode: (id) => Effect.succeed<string>(id)
      })
    )
  )

export const TenantId = hexId("TenantId")
export const TimelineId = hexId("TimelineId")

/** Shard `number` of `count`; `count` 0 is an unsharded tenant, which is not the same as a tenant with one shard. */
export interface ShardIndex {
  readonly number: number
  readonly count: number
}

export const unsharded: ShardIndex = { number: 0, count: 0 }

const byte = (value: number): string => value.toString(16).padStart(2, "0")

/** Four hex digits: shard number, shard count. */
export const formatShardIndex = (shard: ShardIndex): string => byte(shard.number) + byte(shard.count)

export const parseShardIndex = (text: string): Result.Result<ShardIndex, string> =>
  /^[0-9a-fA-F]{4}$/.test(text)
    ? Result.succeed({ number: Number.parseInt(text.slice(0, 2), 16), count: Number.parseInt(text.slice(2), 16) })
    : Result.fail(`invalid shard index ${excerpt(text)}`)

/** The tenant id, with `-NNCC` when the tenant is sharded. */
export const formatTenantShardId = (tenant: TenantId, shard: ShardIndex): string =>
  shard.count === 0 ? tenant : `${tenant}-${formatShardIndex(shard)}`
