// The rows of the table of routes: for each call how its request and its answer look on the socket,
// as data that the client, the server and the check of requests are derived from. A row stands
// beside the type of its call, which it must agree with.
import type { z } from 'zod'
import type { CallOptions } from './api.ts'
import type { FieldTypes } from './fields.ts'
import type { FileCallOptions, FileContent } from './files.ts'
import type { SmallFile } from './small-files.ts'

/**
 * How an answer looks: 'json' one value, 'pages' lists in JSON, one a line, as they come, 'file'
 * bytes with headers that describe them, 'small-files' frames (small-files.ts), 'archive' bytes
 * with a trailer that tells what was exported.
 */
export type Answer = 'json' | 'pages' | 'file' | 'small-files' | 'archive'

/** The argument that is all the fields without a place of their own. */
export const FIELDS = '*'
/** The argument whose bytes are the body of the request. */
export const CONTENT = 'content'

type Shape = Readonly<Record<string, z.ZodType>>

/**
 * A call on the socket. POST has its fields as JSON in the body, GET and PUT in the query.
 *
 * Kind, Session, Arguments: what a method must be like to have this route (RoutesOf); Arguments are
 * those that the server passes to it.
 */
export interface Route<
  Kind extends Answer = Answer,
  Session extends boolean = boolean,
  Arguments extends readonly unknown[] = readonly unknown[],
> {
  readonly answer: Kind
  readonly method: 'POST' | 'GET' | 'PUT'
  /** After '/v1/'; undefined: the name of the call. */
  readonly path: string | undefined
  /**
   * The arguments, in order: fields by name, FIELDS, CONTENT. The last argument is always
   * the options.
   */
  readonly names: readonly string[]
  readonly fields: (types: FieldTypes) => Shape
  /**
   * Has the consistency and the session of a call about files; its first argument says which
   * volume.
   */
  readonly hasSession: Session
  /** For the type only: the method is one that takes these. */
  readonly calls?: (method: (...passed: Arguments) => unknown) => void
}

/**
 * The routes of an interface: of each method one that answers as it does and passes what it takes.
 */
export type RoutesOf<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Arguments) => infer Result
    ? Route<AnswerOf<Result>, HasSession<Arguments>, Arguments>
    : never
}

type AnswerOf<Result> =
  Result extends Promise<infer Value>
    ? Value extends FileContent
      ? 'file'
      : 'json'
    : Result extends AsyncIterable<Uint8Array>
      ? 'archive'
      : Result extends AsyncIterable<readonly SmallFile[]>
        ? 'small-files'
        : 'pages'

type HasSession<Arguments extends readonly unknown[]> =
  Required<Arguments> extends readonly [...unknown[], infer Options]
    ? 'session' extends keyof Options
      ? true
      : false
    : false

type Values<Fields extends Shape> = z.output<z.ZodObject<Fields, z.core.$strict>>

/** The fields that are no argument of their own. */
type Rest<Names extends readonly string[], Fields extends Shape> = Omit<
  Values<Fields>,
  Names[number]
>

type Place<Name, Names extends readonly string[], Fields extends Shape> = Name extends typeof FIELDS
  ? Rest<Names, Fields>
  : Name extends typeof CONTENT
    ? AsyncIterable<Uint8Array>
    : Name extends keyof Values<Fields>
      ? Values<Fields>[Name]
      : never

type Passed<Names extends readonly string[], Fields extends Shape, Options> = [
  ...{ -readonly [At in keyof Names]: Place<Names[At], Names, Fields> },
  Options & Rest<Names, Fields>,
]

type NamesOf<Fields extends Shape> = readonly (
  (keyof Fields & string) | typeof FIELDS | typeof CONTENT
)[]

/** How a call looks on the socket, but for its fields. */
type Look = Pick<Route, 'answer' | 'method' | 'path' | 'hasSession'>

/** A call of any look. */
export function route<
  const Looks extends Look,
  Fields extends Shape,
  const Names extends NamesOf<Fields>,
>(
  look: Looks,
  names: Names,
  fields: (types: FieldTypes) => Fields,
): Route<
  Looks['answer'],
  Looks['hasSession'],
  Passed<Names, Fields, Looks['hasSession'] extends true ? FileCallOptions : CallOptions>
> {
  return { ...look, names, fields }
}

/** A call with one answer. */
export function call<Fields extends Shape, const Names extends NamesOf<Fields>>(
  names: Names,
  fields: (types: FieldTypes) => Fields,
): Route<'json', false, Passed<Names, Fields, CallOptions>> {
  return route(
    { answer: 'json', method: 'POST', path: undefined, hasSession: false },
    names,
    fields,
  )
}

/** A call about files with one answer. */
export function fileCall<Fields extends Shape, const Names extends NamesOf<Fields>>(
  names: Names,
  fields: (types: FieldTypes) => Fields,
): Route<'json', true, Passed<Names, Fields, FileCallOptions>> {
  return route({ answer: 'json', method: 'POST', path: undefined, hasSession: true }, names, fields)
}

/** A call that is answered in pages. */
export function pages<Fields extends Shape, const Names extends NamesOf<Fields>>(
  path: string,
  names: Names,
  fields: (types: FieldTypes) => Fields,
): Route<'pages', false, Passed<Names, Fields, CallOptions>> {
  return route({ answer: 'pages', method: 'GET', path, hasSession: false }, names, fields)
}
