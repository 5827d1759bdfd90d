/**
 * The region where neither the environment nor a profile names one: that of the machine.
 *
 * Source: the chain of the SDK for Rust (`aws-config`, `imds::region`), which the one for JavaScript does not go to its end.
 */
import { withoutSlashes } from "../../../domain/api/BaseUrl.ts"

type Environment = Readonly<Record<string, string | undefined>>

/** Milliseconds: where there is no such service, nobody answers. */
const LIMIT = 1000

const METADATA = "http://169.254.169.254"

const ask = async (url: string, method: "GET" | "PUT", headers: Readonly<Record<string, string>>) => {
  const answer = await fetch(url, { method, headers, signal: AbortSignal.timeout(LIMIT) })
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
  return (await answer.text()).trim()
}

/** The variables of the environment; undefined leaves it to the profile. */
export const named = (env: Environment): string | undefined =>
  env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || undefined

/** Undefined where the machine does not say. */
export const ofMachine = async (env: Environment): Promise<string | undefined> => {
  if (env["AWS_EC2_METADATA_DISABLED"]?.toLowerCase() === "true") return undefined
  const base = withoutSlashes(env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] || METADATA)
  try {
    const token = await ask(`${base}/latest/api/token`, "PUT", { "x-aws-ec2-metadata-token-ttl-seconds": "60" })
    return await ask(`${base}/latest/meta-data/placement/region`, "GET", { "x-aws-ec2-metadata-token": token })
  } catch {
    return undefined
  }
}
