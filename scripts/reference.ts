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
    block(picture(edges), "mermaid"),
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
