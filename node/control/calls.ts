// The calls that the control API takes: each by its method and path, with the check of its request
// and the arguments that the node's method is given.
import { ShoalError } from '../../protocol/errors.ts'
import { check, schemaOf } from './fields.ts'
import { CONTENT, FIELDS } from './route.ts'
import { ROUTES } from './routes.ts'
import { API_PREFIX } from './wire.ts'
import type { NodeApi } from './api.ts'
import type { ExportOptions } from './exchange.ts'
import type { FileCallOptions } from './files.ts'
import type { Answer, Route } from './route.ts'

/** All that comes with a call beside its fields. */
export type ServedOptions = FileCallOptions & Pick<ExportOptions, 'onExported'>

export interface Call {
  readonly name: string
  readonly answer: Answer
  /**
   * Check the fields of a request and run the method. throws ShoalError 'usage' where they do not
   * fit, 'unsupported' where `api` has no such method.
   */
  readonly run: (
    api: Partial<NodeApi>,
    fields: unknown,
    options: ServedOptions,
    content?: AsyncIterable<Uint8Array>,
  ) => unknown
}

/** By 'METHOD /path'. */
export const CALLS: ReadonlyMap<string, Call> = new Map(
  Object.entries(ROUTES).map(([name, route]) => [
    `${route.method} ${API_PREFIX}${route.path ?? name}`,
    callOf(name as keyof NodeApi, route),
  ]),
)

/** The call of a route. */
export function callOf(name: keyof NodeApi, route: Route): Call {
  const { names, answer, hasSession } = route
  const schema = schemaOf(route)
  return {
    name,
    answer,
    run(api, fields, options, content) {
      const values = check(schema, fields)
      const rest = Object.fromEntries(
        Object.entries(values).filter(([field]) => !names.includes(field)),
      )
      const argumentOf = (field: string): unknown => {
        if (field === FIELDS) return rest
        return field === CONTENT ? content : values[field]
      }
      const others = hasSession ? options : { signal: options.signal }
      // RoutesOf has checked that the method takes these.
      const method = api[name] as ((...passed: readonly unknown[]) => unknown) | undefined
      if (method === undefined) throw new ShoalError('unsupported', `this node has no ${name}`)
      return method.call(api, ...names.map(argumentOf), { ...rest, ...others })
    },
  }
}
