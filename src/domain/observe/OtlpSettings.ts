/**
 * OpenTelemetry's standard variables, as far as they concern the export of traces.
 *
 * Source: opentelemetry.io, "Environment Variable Specification" and "OTLP Exporter".
 */
import { withoutSlashes } from "../api/BaseUrl.ts"

export interface OtlpSettings {
  readonly url: string
  /** False for the place that nobody has named. */
  readonly named: boolean
  readonly protocol: "protobuf" | "json"
  readonly headers: Readonly<Record<string, string>>
  readonly gzip: boolean
  /** Milliseconds. */
  readonly timeout: number
  readonly delay: number
  readonly maxQueue: number
  readonly maxBatch: number
  /** `parent`: as the parent is, and by `ratio` without one. */
  readonly sampler: { readonly parent: boolean; readonly ratio: number }
  readonly resource: Readonly<Record<string, string>>
  /** Settings that are not understood, in words. */
  readonly warnings: ReadonlyArray<string>
}

export type Environment = Readonly<Record<string, string | undefined>>

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** `key=value,key=value`, percent-encoded. */
const pairs = (text: string | undefined): Record<string, string> =>
  Object.fromEntries(
    (text ?? "").split(",").flatMap((pair) => {
      const at = pair.indexOf("=")
      return at <= 0 ? [] : [[decode(pair.slice(0, at).trim()), decode(pair.slice(at + 1).trim())]]
    })
  )

const positive = (text: string | undefined, fallback: number): number =>
  text !== undefined && /^\d+$/.test(text.trim()) && Number(text) > 0 ? Number(text) : fallback

const samplers: Readonly<Record<string, (ratio: number) => OtlpSettings["sampler"]>> = {
  always_on: () => ({ parent: false, ratio: 1 }),
  always_off: () => ({ parent: false, ratio: 0 }),
  traceidratio: (ratio) => ({ parent: false, ratio }),
  parentbased_always_on: () => ({ parent: true, ratio: 1 }),
  parentbased_always_off: () => ({ parent: true, ratio: 0 }),
  parentbased_traceidratio: (ratio) => ({ parent: true, ratio })
}

const ratioOf = (text: string | undefined) => {
  const ratio = Number(text ?? "1")
  return ratio >= 0 && ratio <= 1 ? ratio : 1
}

const protocolOf = (text: string | undefined): { readonly protocol: "protobuf" | "json"; readonly warning?: string } =>
  text === "http/json"
    ? { protocol: "json" }
    : text === undefined || text === "" || text === "http/protobuf"
      ? { protocol: "protobuf" }
      : { protocol: "protobuf", warning: `OTLP protocol ${text} is not supported: using http/protobuf` }

const LOCAL = "http://localhost:4318/v1/traces"

/** The endpoint of all signals gets the path of traces; the one of traces is taken as it is. */
const urlOf = (env: Environment): { readonly url: string; readonly named: boolean; readonly warning?: string } => {
  const own = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
  const all = env["OTEL_EXPORTER_OTLP_ENDPOINT"]
  const text = own ? own : all ? `${withoutSlashes(all)}/v1/traces` : null
  if (text === null) return { url: LOCAL, named: false }
  if (URL.canParse(text) && /^https?:/.test(text)) return { url: text, named: true }
  const name = `OTEL_EXPORTER_OTLP_${own ? "TRACES_" : ""}ENDPOINT`
  return { url: LOCAL, named: false, warning: `${name} is not an HTTP URL: using ${LOCAL}` }
}

/** Whose spans they are. */
export interface Instance {
  /** The compute's id: unique among the instances of a service, as the conventions want it, and known to logs and tokens. */
  readonly id: string
  readonly version: string
}

/** Null when traces are switched off. */
export const parseOtlpSettings = (env: Environment, instance: Instance): OtlpSettings | null => {
  const off = env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true" || env["OTEL_TRACES_EXPORTER"] === "none"
  if (off) return null
  const { warning: misnamed, ...place } = urlOf(env)
  const of = (name: string) => env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] ?? env[`OTEL_EXPORTER_OTLP_${name}`]
  const { protocol, warning } = protocolOf(of("PROTOCOL"))
  const sampler = env["OTEL_TRACES_SAMPLER"] ?? "parentbased_always_on"
  const chosen = Object.hasOwn(samplers, sampler) ? samplers[sampler] : undefined
  return {
    ...place,
    protocol,
    headers: { ...pairs(env["OTEL_EXPORTER_OTLP_HEADERS"]), ...pairs(env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"]) },
    gzip: of("COMPRESSION") === "gzip",
    timeout: positive(of("TIMEOUT"), 10_000),
    delay: positive(env["OTEL_BSP_SCHEDULE_DELAY"], 5000),
    maxQueue: positive(env["OTEL_BSP_MAX_QUEUE_SIZE"], 2048),
    maxBatch: positive(env["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], 512),
    sampler: (chosen ?? (() => ({ parent: true, ratio: 1 })))(ratioOf(env["OTEL_TRACES_SAMPLER_ARG"])),
    resource: {
      "service.version": instance.version,
      "service.instance.id": instance.id,
      ...pairs(env["OTEL_RESOURCE_ATTRIBUTES"]),
      "service.name": env["OTEL_SERVICE_NAME"] || "compute_ctl"
    },
    warnings: [
      ...(misnamed === undefined ? [] : [misnamed]),
      ...(warning === undefined ? [] : [warning]),
      ...(chosen === undefined ? [`trace sampler ${sampler} is not known: sampling all`] : [])
    ]
  }
}
