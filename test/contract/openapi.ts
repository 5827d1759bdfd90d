/**
 * The OpenAPI document for tests: its operations, and whether a value is what it says.
 */
import { Ajv2020 } from "ajv/dist/2020.js"
import { document } from "../../src/http/api/openapi.ts"

export interface Media {
  readonly schema: Schema
  readonly example?: unknown
}

/** Of JSON Schema what the document has. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: ReadonlyArray<unknown>
  readonly anyOf?: ReadonlyArray<Schema>
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly minimum?: number
  readonly maximum?: number
}

export interface Parameter {
  readonly name: string
  readonly in: "path" | "query"
  readonly schema: Schema
  readonly required: boolean
}

export interface Operation {
  readonly operationId: string
  readonly tags: ReadonlyArray<string>
  readonly servers?: ReadonlyArray<{ readonly url: string }>
  readonly parameters: ReadonlyArray<Parameter>
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

export const text = JSON.stringify(document("1"))
export const made: Document = JSON.parse(text)

export const operations = Object.entries(made.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation }))
)
export type Described = (typeof operations)[number]

const ajv = new Ajv2020({ strict: false, formats: { binary: true } })
ajv.addSchema({ $id: "doc", components: made.components })

/** Why a value is not of a schema of the document; empty when it is. */
export const faults = (schema: Schema, value: unknown): string => {
  const local = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"doc#/'))
  return ajv.validate(local, value) ? "" : ajv.errorsText()
}
