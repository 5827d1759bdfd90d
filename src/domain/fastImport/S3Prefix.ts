/**
 * Where the objects of a job lie: `s3://bucket/key`.
 *
 * Source: `compute_tools/src/bin/fast_import/s3_uri.rs`.
 */
import * as Result from "effect/Result"

export interface S3Prefix {
  readonly bucket: string
  /** May be empty, may hold slashes; whoever reads the objects joins names in the same plain way. */
  readonly key: string
}

const SCHEME = "s3://"

export const parse = (text: string): Result.Result<S3Prefix, string> => {
  if (!text.startsWith(SCHEME)) return Result.fail("Invalid S3 URI scheme")
  const [, bucket, key] = /^([^/]+)\/(.*)$/s.exec(text.slice(SCHEME.length)) ?? []
  return bucket === undefined || key === undefined
    ? Result.fail("Invalid S3 URI format, missing bucket or key")
    : Result.succeed({ bucket, key })
}

export const below = ({ bucket, key }: S3Prefix, name: string): S3Prefix => ({ bucket, key: `${key}/${name}` })

export const format = ({ bucket, key }: S3Prefix): string => `${SCHEME}${bucket}/${key}`
