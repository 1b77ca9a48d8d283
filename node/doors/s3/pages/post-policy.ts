// Policies: what a form may have in it, by whoever signed it, as JSON in base64. Each field has to
// be one that it names, with a value that it takes; what it does not name is refused. Pure.
import type { ShoalError } from '../../../../protocol/errors.ts'
import type { WallTime } from '../../../../protocol/units.ts'
import { isObject } from '../metadata.ts'
import { S3Error, accessDenied } from '../s3-error.ts'

const EXPIRATION = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
/** Fields that nobody has to allow: they sign it, or say nothing. */
const FREE: ReadonlySet<string> = new Set([
  'awsaccesskeyid',
  'file',
  'policy',
  'signature',
  'x-amz-signature',
])
const IGNORED = 'x-ignore-'

export interface PostPolicy {
  readonly expiresMs: number
  readonly conditions: readonly Condition[]
  /** Bounds of the file. */
  readonly minBytes: number
  readonly maxBytes: number
}

interface Condition {
  /** In lower case. */
  readonly name: string
  readonly kind: 'is' | 'begins'
  readonly value: string
}

/** throws S3Error 400. */
export function parsePolicy(text: string): PostPolicy {
  const read = readJson(text)
  if (!isObject(read)) throw malformed('it is no object')
  // Names as they are written, no others.
  const { expiration, conditions } = read
  if (typeof expiration !== 'string' || !EXPIRATION.test(expiration))
    throw malformed('expiration is a time like 2026-01-31T12:00:00Z')
  const expiresMs = Date.parse(expiration)
  if (Number.isNaN(expiresMs)) throw malformed('expiration is no time')
  if (!Array.isArray(conditions)) throw malformed('conditions is a list')
  let [minBytes, maxBytes] = [0, Number.MAX_SAFE_INTEGER]
  const all: Condition[] = []
  for (const one of conditions as readonly unknown[]) {
    const range = rangeOf(one)
    if (range === undefined) all.push(...conditionsOf(one))
    else {
      minBytes = Math.max(minBytes, range.min)
      maxBytes = Math.min(maxBytes, range.max)
    }
  }
  return { expiresMs, conditions: all, minBytes, maxBytes }
}

/** fields: by name, in lower case; with the bucket. throws S3Error 403. */
export function checkPolicy(
  { expiresMs, conditions }: PostPolicy,
  fields: ReadonlyMap<string, string>,
  nowMs: WallTime,
): void {
  if (expiresMs <= nowMs) throw refused('it has expired')
  for (const { name, kind, value } of conditions) {
    const given = fields.get(name) ?? ''
    if (kind === 'is' ? given !== value : !given.startsWith(value))
      throw refused(`its condition on ${name} does not hold`)
  }
  const named = new Set(conditions.map(({ name }) => name))
  for (const name of fields.keys())
    if (!named.has(name) && !FREE.has(name) && !name.startsWith(IGNORED))
      throw refused(`it allows no field ${name}`)
}

function readJson(text: string): unknown {
  if (!BASE64.test(text)) throw malformed('it is not in base64')
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64')))
  } catch {
    // Bytes that are no text, or text that is none of JSON: one is as bad as the other.
    throw malformed('it is no JSON')
  }
}

function rangeOf(one: unknown): { readonly min: number; readonly max: number } | undefined {
  if (!Array.isArray(one)) return undefined
  const [kind, from, to, ...others] = one as readonly unknown[]
  if (typeof kind !== 'string' || kind.toLowerCase() !== 'content-length-range') return undefined
  const [min, max] = [countOf(from), countOf(to)]
  if (min === undefined || max === undefined || others.length > 0)
    throw malformed('content-length-range has a least and a most')
  return { min, max }
}

function countOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(number) && Number(number) >= 0 ? Number(number) : undefined
}

function conditionsOf(one: unknown): readonly Condition[] {
  if (Array.isArray(one)) {
    const [kind, field, value, ...others] = one as readonly unknown[]
    const known = typeof kind === 'string' ? KINDS.get(kind.toLowerCase()) : undefined
    if (known === undefined || typeof field !== 'string' || !field.startsWith('$'))
      throw malformed('a condition is ["eq", "$FIELD", TEXT] or "starts-with" so')
    if (typeof value !== 'string' || others.length > 0) throw malformed('a condition has a text')
    return [{ name: field.slice(1).toLowerCase(), kind: known, value }]
  }
  if (!isObject(one)) throw malformed('a condition is an object or a list')
  const pairs = Object.entries(one)
  if (pairs.length === 0) throw malformed('a condition is empty')
  return pairs.map(([name, value]) => {
    if (typeof value !== 'string') throw malformed(`the condition on ${name} has a text`)
    return { name: name.toLowerCase(), kind: 'is', value }
  })
}

const KINDS: ReadonlyMap<string, Condition['kind']> = new Map([
  ['eq', 'is'],
  ['starts-with', 'begins'],
])

function malformed(text: string): S3Error {
  return new S3Error('InvalidPolicyDocument', 400, `the policy is none: ${text}`)
}

function refused(text: string): ShoalError {
  return accessDenied(`by the policy of the form: ${text}`)
}
