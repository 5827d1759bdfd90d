/**
 * A basebackup with the shape of a small Neon timeline and nothing inside: the folders, sixty small files, and one WAL
 * segment of 16 MiB that is almost all zeros. About 88 KB compressed.
 */
import { createHash } from "node:crypto"
import type * as Effect from "effect/Effect"
import * as tar from "../wire/tar.ts"
import { type Archive, compress } from "./Archive.ts"
import { hba } from "./Cluster.ts"

const folders = [
  ...["global", "pg_wal/archive_status", "pg_commit_ts", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots"],
  ...["pg_subtrans", "pg_twophase", "pg_multixact", "pg_multixact/members", "pg_multixact/offsets", "base", "base/1"],
  ...["pg_replslot", "pg_tblspc", "pg_stat", "pg_stat_tmp", "pg_xact", "pg_logical", "pg_logical/snapshots"],
  ...["pg_logical/mappings"]
]

/** Bytes that do not compress and are the same each time. */
const noise = (seed: string, length: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, at) => createHash("sha256").update(`${seed} ${at}`).digest())
  ).subarray(0, length)

const smallFiles = 60

/** `major`: what `PG_VERSION` says. */
export const neonShape = (major: string): Effect.Effect<Archive> => {
  const file = (name: string, body: Buffer | string): tar.Entry => ({ kind: "file", name, body: Buffer.from(body) })
  const segment = Buffer.alloc(16 * 1024 * 1024)
  noise("wal", 64).copy(segment)
  const entries: ReadonlyArray<tar.Entry> = [
    ...folders.map((name): tar.Entry => ({ kind: "directory", name })),
    file("pg_hba.conf", hba),
    file("pg_ident.conf", ""),
    file("postgresql.auto.conf", ""),
    file("PG_VERSION", major),
    file("global/pg_filenode.map", noise("map", 512)),
    ...Array.from({ length: smallFiles }, (_, at) => file(`base/1/${16384 + at}_init`, noise(`file ${at}`, 200))),
    file("neon.signal", "PREV LSN: none"),
    file("zenith.signal", "PREV LSN: none"),
    file("global/pg_control", Buffer.concat([noise("control", 296)], 8192)),
    file("pg_wal/000000010000000000000001", segment)
  ]
  return compress(tar.archive(entries, 1_700_000_000))
}
