/**
 * The reference pages of the documentation, from the program itself: command lines and the API's document as the built
 * program prints them, metrics and states from their tables, log lines from the sources.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import ts from "typescript"
import { families } from "../src/domain/observe/MetricFamilies.ts"
import { edges } from "../src/domain/status/ComputeStatus.ts"
import { picture } from "../src/domain/status/StatusPicture.ts"
import { words } from "../src/cli/verbs/words.ts"

const root = path.resolve(import.meta.dirname, "..")
const NOTE = "<!-- Made by `npm run docs`; a test compares it with the program. -->"

const say = (args: ReadonlyArray<string>): string =>
  execFileSync(path.join(root, "dist/compute_ctl"), args, {
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
    env: { PATH: process.env["PATH"] ?? "", NO_COLOR: "1", COLUMNS: "100" }
    // A log line before the help has the time in it.
  }).replace(/^\{"timestamp".*\n/, "")

const page = (title: string, lead: string, parts: ReadonlyArray<string>): string =>
  `${[`# ${title}`, NOTE, lead, ...parts].join("\n\n")}\n`

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))].map((row) => `| ${row.join(" | ")} |`).join("\n")

const block = (text: string, language = "text"): string => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``

const commandLine = () =>
  page("Command lines", "What `--help` says, of the program itself and of each of its verbs.", [
    "## compute_ctl",
    block(say(["--help"])),
    ...Object.keys(words).flatMap((verb) => [`## compute_ctl ${verb}`, block(say([verb, "--help"]))])
  ])

const metrics = () => {
  const rows = families.toSorted((one, other) => (one.name < other.name ? -1 : 1)).map(({ help, labels, name, type }) => [`\`${name}\``, type, labels.join(", "), help])
  return page(
    "Metrics",
    "Families of `GET /metrics`, by name. One with labels is absent until something was counted.",
    [table(["Family", "Type", "Labels", "Meaning"], rows)]
  )
}

const states = () =>
  page("States", "Every way from one status to another, and why it is taken.", [
    block(picture(edges.filter(({ to }) => !to.startsWith("terminat"))), "mermaid"),
    "The picture leaves out the ways by which `/terminate` ends a compute; the table has them.",
    table(
      ["From", "To", "Because of", "Only while"],
      edges.map(({ cause, from, needsPostgres, to }) => [from, to, cause, needsPostgres ? "Postgres runs" : ""])
    )
  ])

interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly tags?: ReadonlyArray<string>
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: string; readonly required?: boolean }>
  readonly responses: Readonly<
    Record<string, { readonly description?: string; readonly content?: Readonly<Record<string, { example?: unknown }>> }>
  >
}

type Schema = Readonly<Record<string, unknown>>

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

const api = ({ paths }: Document) =>
  page("API", "Every route with every answer. `compute_ctl openapi` prints the same as an OpenAPI document.", [
    ...Object.entries(paths).flatMap(([route, operations]) =>
      Object.entries(operations).flatMap(([method, { description, parameters = [], responses, summary, tags }]) => [
        `## ${method.toUpperCase()} ${route}`,
        [`${summary}.`, description ?? "", tags?.includes("internal") ? "On the internal server." : ""]
          .filter((text) => text !== "")
          .join(" "),
        ...(parameters.length === 0
          ? []
          : [parameters.map(({ in: at, name, required }) => `- \`${name}\`, ${at}${required ? ", required" : ""}`).join("\n")]),
        table(
          ["Status", "Content type", "Example"],
          Object.entries(responses).flatMap(([status, { content = {} }]) =>
            Object.keys(content).length === 0
              ? [[status, "", ""]]
              : Object.entries(content).map(([type, { example }]) => {
                  const text = typeof example === "string" ? example.trim() : JSON.stringify(example)
                  return [status, type, text === undefined || text === "" ? "" : `\`${text.slice(0, 300)}\``]
                })
          )
        )
      ])
    )
  ])

const typeOf = (schema: Schema): string => {
  if (typeof schema["$ref"] === "string") return schema["$ref"].split("/").at(-1) ?? ""
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(", ")
  for (const name of ["anyOf", "oneOf"]) {
    const all = schema[name]
    if (Array.isArray(all)) return [...new Set(all.map(typeOf))].join(" or ")
  }
  if (schema["type"] === "array") return `array of ${typeOf((schema["items"] ?? {}) as Schema)}`
  if (schema["type"] === "object" && schema["additionalProperties"]) {
    return `object of ${typeOf(schema["additionalProperties"] as Schema)}`
  }
  return String(schema["type"] ?? "anything")
}

/** The members of a schema and of what is inside it, with their paths. */
const members = (schema: Schema, schemas: Document["components"]["schemas"], at = ""): ReadonlyArray<[string, string]> => {
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, Schema>>
  const required = new Set((schema["required"] ?? []) as ReadonlyArray<string>)
  return Object.entries(properties).flatMap(([name, member]) => {
    const here = at === "" ? name : `${at}.${name}`
    const inner = [member, ...["anyOf", "oneOf"].flatMap((key) => (member[key] ?? []) as ReadonlyArray<Schema>)].flatMap(
      (one) => (one["type"] === "array" ? [[`${here}[]`, one["items"] as Schema] as const] : [[here, one] as const])
    )
    return [
      [here, `${typeOf(member)}${required.has(name) ? "" : ", optional"}`] as [string, string],
      ...inner.flatMap(([place, one]) => (one === undefined ? [] : members(one, schemas, place)))
    ]
  })
}

const spec = ({ components }: Document) => {
  const name = Object.keys(components.schemas).find((key) => /^ComputeSpec/.test(key))
  const schema = name === undefined ? undefined : components.schemas[name]
  if (schema === undefined) throw new Error("the document describes no ComputeSpec")
  return page(
    "Spec",
    "The members that are read. Others are ignored, and `compute_ctl check` names those that look misspelt.",
    [
      table(
        ["Member", "Type"],
        members(schema, components.schemas).map(([member, type]) => [`\`${member}\``, type])
      )
    ]
  )
}

const sources = (folder: string): ReadonlyArray<string> =>
  fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).flatMap((name) => {
    const file = path.join(folder, name)
    return name.endsWith(".ts") && !file.includes("/emulator/") ? [file] : []
  })

/** What each variable means to us. Those that the sources read are found in them; one without a meaning fails the page. */
const MEANINGS: Readonly<Record<string, string>> = {
  ALL_PROXY: "the proxy of requests that go out, where neither of the next two says one; each also in lower case, which counts after the upper case",
  ASAN_OPTIONS: "passed on to the server of `fast-import`",
  AUDIT_LOGGING_ENDPOINT: "`host:port` that rsyslogd ships audit records to, by plain TCP",
  AUDIT_LOGGING_TLS_ENDPOINT: "the same by TLS; it counts before the one without",
  AUTOSCALING: "set to anything: this is a virtual machine, so vm-monitor runs and Postgres goes into `--cgroup`",
  AWS_DEFAULT_REGION: "`fast-import`: the region, where the next does not say it",
  AWS_EC2_METADATA_DISABLED: "`fast-import`: `true` asks no machine for credentials",
  AWS_EC2_METADATA_SERVICE_ENDPOINT: "`fast-import`: who is asked for them instead",
  AWS_REGION: "`fast-import`: the region of its storage. AWS' other variables for credentials and endpoints count too",
  COMPUTE_CTL_LOG_DIRECTORY: "lakebase mode: a folder for log files of a day, beside stderr; empty is none",
  COMPUTE_CTL_TESTING: "`1`: there are failpoints, by `FAILPOINTS` and `POST /failpoints`",
  COMPUTE_CTL_TETHER: "`stdin`: the compute ends with its standard input. `dev` sets it",
  COMPUTE_CTL_TOKEN: "the token of verbs that ask a compute, where no flag gives one",
  FAILPOINTS: "failpoints of the start, with `COMPUTE_CTL_TESTING=1`",
  HTTPS_PROXY: "the proxy of requests by `https`",
  HTTP_PROXY: "the proxy of requests by `http`; not under CGI, where `REQUEST_METHOD` is set and a client may have sent it",
  INSTANCE_ID: "lakebase mode: that of this instance; without a token the API then answers what that mode opens",
  NEON_COMPUTE_TESTING_BASEBACKUP_RETRIES: "how often a basebackup is tried again, for tests",
  NEON_CONTROL_PLANE_TOKEN: "the token for `--control-plane-uri`",
  NEON_IMPORTER_JOBS: "`fast-import --jobs`",
  NEON_IMPORTER_MEMORY_MB: "`fast-import pgdata --memory-mb`",
  NEON_IMPORTER_NUM_CPUS: "`fast-import pgdata --num-cpus`",
  NEON_IMPORTER_PG_BIN_DIR: "`fast-import --pg-bin-dir`",
  NEON_IMPORTER_PG_LIB_DIR: "`fast-import --pg-lib-dir`",
  NEON_IMPORTER_S3_PREFIX: "`fast-import --s3-prefix`",
  NEON_IMPORTER_TIMEOUT: "`fast-import --timeout`",
  NEON_IMPORTER_WORKDIR: "`fast-import --working-directory`",
  NO_COLOR: "set to anything but nothing: no colours in the terminal",
  NO_PROXY: "hosts, domains, addresses and networks that are asked directly, with commas between them; `*` is all; also in lower case",
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "spans of one request to the collector; 512 by default",
  OTEL_BSP_MAX_QUEUE_SIZE: "spans that are kept until they are sent, 2048 by default; more are dropped",
  OTEL_BSP_SCHEDULE_DELAY: "milliseconds until spans are sent; 5000 by default",
  OTEL_EXPORTER_OTLP_ENDPOINT: "the collector, to whose path `/v1/traces` is added; `http://localhost:4318` by default",
  OTEL_EXPORTER_OTLP_HEADERS: "headers for it, as `name=value` with commas between them. `OTEL_EXPORTER_OTLP_PROTOCOL`, `_COMPRESSION` and `_TIMEOUT` (milliseconds, 10000 by default) count too, with `TRACES_` before the last word or without",
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "where traces go, as it stands",
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: "headers for it, beside those of the other variable",
  OTEL_RESOURCE_ATTRIBUTES: "attributes of this process in its traces",
  OTEL_SDK_DISABLED: "`true`: no traces",
  OTEL_SERVICE_NAME: "the name of the service in traces",
  OTEL_TRACES_EXPORTER: "`none`: no traces",
  OTEL_TRACES_SAMPLER: "which traces are sent: `parentbased_always_on` by default, or another of OpenTelemetry's",
  OTEL_TRACES_SAMPLER_ARG: "the share of them",
  PATH: "where `--pgbin` and other programs are looked up by their names",
  PGBOUNCER_PASSWORD: "that of pgbouncer's admin console",
  POSTGRES_PATH: "the program `postgres`, where `--pgbin` does not name it",
  REQUEST_METHOD: "see `HTTP_PROXY`",
  RUST_LOG: "what is logged: a level (`info`), or levels of parts (`info,compute_ctl=debug`); `off` is nothing",
  TERM: "`dumb`: no colours in the terminal",
  TRACEPARENT: "the span under which the first start runs",
  UBSAN_OPTIONS: "passed on to the server of `fast-import`"
}

/** `env.NAME`, `env["NAME"]`, and a name alone in quotes where it begins like one of ours. */
const READ = /\benv(?:ironment)?(?:\.|\[")([A-Z][A-Z0-9_]{2,})|"((?:NEON_IMPORTER|COMPUTE_CTL|OTEL)_[A-Z0-9_]+|(?:ALL|HTTPS?)_PROXY)"/g

const environment = () => {
  const read = new Set(
    sources(path.join(root, "src")).flatMap((file) =>
      [...fs.readFileSync(file, "utf8").matchAll(READ)].map(([, member, text]) => member ?? text ?? "")
    )
  )
  const unknown = [...read].filter((name) => MEANINGS[name] === undefined)
  const unread = Object.keys(MEANINGS).filter((name) => !read.has(name))
  if (unknown.length + unread.length > 0) {
    throw new Error(`the environment has variables without a meaning: ${unknown}; meanings that nobody reads: ${unread}`)
  }
  return page(
    "Environment",
    "Variables that are read, once, when the process starts. No other changes what it does: `PG*`, `NODE_*` and `LD_*` neither steer it nor reach what it starts.",
    [table(["Variable", "Meaning"], Object.entries(MEANINGS).toSorted().map(([name, meaning]) => [`\`${name}\``, meaning]))]
  )
}

const exitCodes = () =>
  page("Exit codes", "What the program ends with, as its help says; 128 and a number is a signal that nothing can hear.", [
    table(
      ["", "Exit code"],
      ["", ...Object.keys(words)].map((verb) => {
        const help = say([...(verb === "" ? [] : [verb]), "--help"]).replace(/\s+/g, " ")
        return [`\`compute_ctl${verb === "" ? "" : ` ${verb}`}\``, /Exit code: (.*?)\. /.exec(help)?.[1] ?? "not said"]
      })
    )
  ])

/** A message as it is written, with `{...}` where a value goes; null for one that is made elsewhere. */
const messageOf = (node: ts.Expression): string | null => {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text
  if (!ts.isTemplateExpression(node)) return null
  return [node.head.text, ...node.templateSpans.map(({ expression, literal }) => `{${expression.getText()}}${literal.text}`)].join("")
}

const logLines = () => {
  const levels: Record<string, Array<string>> = { logError: [], logWarning: [], logInfo: [] }
  for (const file of sources(path.join(root, "src"))) {
    const source = ts.createSourceFile(file, fs.readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true)
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
        const [first] = node.arguments
        const found = first === undefined ? null : messageOf(first)
        const lines = node.expression.expression.getText() === "Effect" ? levels[node.expression.name.text] : undefined
        if (found !== null) lines?.push(found)
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  const names: Record<string, string> = { logError: "ERROR", logWarning: "WARN", logInfo: "INFO" }
  return page(
    "Log lines",
    "What the program says, by level; `{...}` stands for a value. Before a line stand its time, its level and the spans that it was said in.",
    Object.entries(levels).flatMap(([method, lines]) => [
      `## ${names[method]}`,
      block([...new Set(lines)].toSorted().join("\n"))
    ])
  )
}

/** Each page by its name. */
export const reference = (): Readonly<Record<string, string>> => {
  const document: Document = JSON.parse(say(["openapi"]))
  return {
    "command-lines": commandLine(),
    environment: environment(),
    "exit-codes": exitCodes(),
    api: api(document),
    spec: spec(document),
    metrics: metrics(),
    states: states(),
    "log-lines": logLines()
  }
}

if (process.argv[1] === import.meta.filename) {
  const folder = path.join(root, "docs", "reference")
  fs.mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(reference())) fs.writeFileSync(path.join(folder, `${name}.md`), text)
}
