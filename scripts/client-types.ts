// Makes the types of the client (client/types.ts) of the description of the API, which is OpenAPI
// 3.1: `node scripts/client-types.ts`. A test says when they are not current. openapi-typescript
// makes more of it, and needs the compiler API of TypeScript 5, which 7 has not.
import { writeFileSync } from 'node:fs'
import { describeApi } from '../node/doors/http/openapi.ts'

interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
}

interface Operation {
  readonly operationId: string
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
}

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

export const CLIENT_TYPES: URL = new URL('../client/types.ts', import.meta.url)

const HEAD = `// Types of the HTTP API, made of its description by scripts/client-types.ts: do not edit.
/* eslint-disable -- generated */
`
const LINES = 'application/x-ndjson'

/** The text of client/types.ts, before the formatter. */
export function clientTypes(): string {
  const { paths, components } = describeApi('') as unknown as Description
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `/** As the description of the API has it. */\nexport ${declared(name, schema)}`,
  )
  const calls = Object.entries(paths)
    .filter(([path]) => path.startsWith('/v1/calls/'))
    .flatMap(([, { post }]) => (post === undefined ? [] : [post]))
  return [
    HEAD,
    ...schemas,
    callsOf(
      'Calls',
      'Calls with one answer.',
      calls.filter((one) => !isInLines(one)),
    ),
    callsOf('LineCalls', 'Calls that answer in lines, each an item.', calls.filter(isInLines)),
  ].join('\n')
}

function declared(name: string, schema: Schema): string {
  const type = typeOf(schema)
  return type.startsWith('{') && !type.includes('} |')
    ? `interface ${name} ${type}\n`
    : `type ${name} = ${type}\n`
}

function isInLines({ responses }: Operation): boolean {
  return responses['200']?.content?.[LINES] !== undefined
}

function callsOf(name: string, purpose: string, calls: readonly Operation[]): string {
  const members = calls.map(({ operationId, requestBody, responses }) => {
    const fields = typeOf(schemaOf(requestBody))
    const answer = typeOf(schemaOf(responses['200']))
    return `  readonly ${operationId}: { readonly fields: ${fields}; readonly answer: ${answer} }\n`
  })
  return `/** ${purpose} */\nexport interface ${name} {\n${members.join('')}}\n`
}

function schemaOf({ content = {} }: Content = {}): Schema {
  const [body] = Object.values(content)
  return body?.schema ?? {}
}

function typeOf(schema: Schema): string {
  const { $ref, anyOf, oneOf, type, items } = schema
  if ($ref !== undefined) return $ref.slice($ref.lastIndexOf('/') + 1)
  const either = anyOf ?? oneOf
  if (either !== undefined) return either.map(typeOf).join(' | ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((one) => JSON.stringify(one)).join(' | ')
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type
    case 'number':
    case 'integer':
      return 'number'
    case 'array':
      return `readonly (${typeOf(items ?? {})})[]`
    case 'object':
      return objectOf(schema)
    default:
      return 'unknown'
  }
}

function objectOf({ properties, required = [], additionalProperties }: Schema): string {
  if (properties === undefined) {
    const value =
      typeof additionalProperties === 'object' ? typeOf(additionalProperties) : 'unknown'
    return `Readonly<Record<string, ${value}>>`
  }
  const members = Object.entries(properties).map(([name, schema]) => {
    const isNeeded = required.includes(name)
    const rest = isNeeded ? '' : ' | undefined'
    return `readonly ${JSON.stringify(name)}${isNeeded ? '' : '?'}: ${typeOf(schema)}${rest};`
  })
  return `{ ${members.join(' ')} }`
}

if (import.meta.main) {
  const { format, resolveConfig } = await import('prettier')
  const options = await resolveConfig(CLIENT_TYPES)
  writeFileSync(CLIENT_TYPES, await format(clientTypes(), { ...options, parser: 'typescript' }))
}
