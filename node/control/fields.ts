// The kinds of fields that requests have, as JSON in a body and as text in a query; and the check
// of a request against them.
import { z } from 'zod'
import { ESCAPE_CHARS } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import {
  PATH_MAX,
  SESSION_TEXT_MAX,
  XATTR_NAME_MAX,
  XATTR_VALUE_MAX,
} from '../../protocol/limits.ts'
import { divCeil } from '../../protocol/units.ts'
import type { AccessKey } from '../../protocol/cold/access-key.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Ack, FileCallOptions } from './files.ts'
import type { Route } from './route.ts'

/** A schema for each kind of field. Those that most calls leave out are optional by themselves. */
export interface FieldTypes {
  /** Not empty, with room for 'volume:' before the path. */
  readonly path: z.ZodType<string>
  /** An absolute path of this machine. */
  readonly folder: z.ZodType<string>
  /** Not empty, and at most 256 characters. */
  readonly label: z.ZodType<string>
  readonly volume: z.ZodOptional<z.ZodType<string>>
  readonly flag: z.ZodOptional<z.ZodType<boolean>>
  readonly ack: z.ZodOptional<z.ZodType<Ack>>
  readonly wallTime: z.ZodType<WallTime>
  readonly nanoseconds: z.ZodType<bigint>
  /** Policies by name. */
  readonly settings: z.ZodType<Readonly<Record<string, string>>>
  /** Extended attributes: text in base64 by name, or null. */
  readonly extended: z.ZodType<Readonly<Record<string, string | null>>>
  /** The key of an S3 server. */
  readonly accessKey: z.ZodType<AccessKey>
  readonly text: (lengthMin: number, lengthMax?: number) => z.ZodType<string>
  readonly integer: (min: number, max?: number) => z.ZodType<number>
  /** A number of things, or in a query 'Infinity': all of them. */
  readonly countOrAll: z.ZodType<number>
  readonly oneOf: <const Value extends string>(values: readonly Value[]) => z.ZodType<Value>
  readonly many: <Item>(
    item: z.ZodType<Item>,
    countMin: number,
    countMax: number,
  ) => z.ZodType<Item[]>
}

const LABEL_MAX = 256
/** Tokens of AWS sessions have no documented bound; those seen take some kilobytes. */
const TOKEN_MAX = 16_384
const label = z.string().min(1).max(LABEL_MAX)
const integer = (min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, number> =>
  z.int().min(min).max(max)
const oneOf: FieldTypes['oneOf'] = (values) => z.enum(values)
const nanoseconds = z
  .bigint()
  .min(-(2n ** 63n))
  .max(2n ** 63n - 1n)

/** The same as decimal text. */
export const nanosecondsText: z.ZodType<bigint> = z
  .string()
  .regex(/^-?\d{1,19}$/)
  .transform(BigInt)
  .pipe(nanoseconds)

const extended = z.record(
  z.string().min(1).max(XATTR_NAME_MAX),
  z
    .base64()
    .max(divCeil(XATTR_VALUE_MAX, 3) * 4)
    .nullable(),
)

/** Fields of a JSON object. */
const JSON_FIELDS: FieldTypes = {
  path: z
    .string()
    .min(1)
    .max(ESCAPE_CHARS * PATH_MAX + LABEL_MAX),
  folder: z.string().startsWith('/').max(PATH_MAX),
  label,
  volume: label.optional(),
  flag: z.boolean().optional(),
  ack: oneOf(['none', 'local', 'copied', 'placed']).optional(),
  wallTime: integer(0).transform((ms) => ms as WallTime),
  nanoseconds,
  accessKey: z.strictObject({
    accessKeyId: label,
    secretAccessKey: label,
    sessionToken: z.string().min(1).max(TOKEN_MAX).optional(),
  }),
  extended,
  settings: z.record(label, z.string().max(LABEL_MAX)),
  text: (lengthMin, lengthMax = Infinity) => z.string().min(lengthMin).max(lengthMax),
  integer,
  countOrAll: integer(0),
  oneOf,
  many: (item, countMin, countMax) => z.array(item).min(countMin).max(countMax),
}

/** Longest JSON of them in a query, which has to fit into a head. */
const EXTENDED_TEXT_MAX = 8192
const extendedText = z
  .string()
  .max(EXTENDED_TEXT_MAX)
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      // It throws for nothing else.
      context.addIssue('must be JSON')
      return z.NEVER
    }
  })
  .pipe(extended)

const integerText: FieldTypes['integer'] = (min, max) =>
  z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number)
    .pipe(integer(min, max))

/** Fields of a query, where all is text. */
const QUERY_FIELDS: FieldTypes = {
  ...JSON_FIELDS,
  flag: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional(),
  wallTime: integerText(0).transform((ms) => ms as WallTime),
  nanoseconds: nanosecondsText,
  extended: extendedText,
  integer: integerText,
  countOrAll: z
    .string()
    .regex(/^(\d{1,9}|Infinity)$/)
    .transform(Number),
}

/** Fields of a query, or of a body in JSON, that has these and no others. */
export function schemaOf({ method, fields }: Route): z.ZodType<Readonly<Record<string, unknown>>> {
  return z.strictObject(fields(method === 'POST' ? JSON_FIELDS : QUERY_FIELDS))
}

const consistencyFields = z.strictObject({
  consistency: oneOf(['eventual', 'read-own', 'strong']).optional(),
  /** Empty: nothing seen yet. */
  session: z
    .string()
    .max(SESSION_TEXT_MAX)
    .transform((token) => token || undefined)
    .optional(),
})

/** throws ShoalError 'usage'. */
export function parseConsistency(
  fields: unknown,
): Pick<FileCallOptions, 'consistency' | 'session'> {
  return check(consistencyFields, fields)
}

/** The fields that a value has. throws ShoalError 'usage' naming the first that does not fit. */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const field =
    issue === undefined || issue.path.length === 0 ? 'the request' : issue.path.join('.')
  throw new ShoalError('usage', `${field} ${issue === undefined ? 'is invalid' : problemOf(issue)}`)
}

/** The fault that zod found, as the end of a sentence. */
function problemOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty'
      return `must be at least ${issue.minimum}`
    case 'too_big':
      if (issue.origin === 'string') return `must be no longer than ${issue.maximum} characters`
      return `must be at most ${issue.maximum}`
    case 'invalid_type':
      return `must be of type ${issue.expected}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'unrecognized_keys':
      return `has what is not known here: ${issue.keys.join(', ')}`
    default:
      return issue.message.replace(/^Invalid \w+: /, '')
  }
}
