// Answers about several places or properties: 207 (RFC 4918, section 13), sent as it is made.
import { escapeXml } from '../xml/xml-text.ts'

const { STATUS_CODES } = process.getBuiltinModule('node:http')

export const XML_TYPE = 'application/xml; charset=utf-8'
const BEGIN = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n'
const END = '</D:multistatus>\n'

/** Properties that have one status. */
export interface PropertyStatus {
  readonly status: number
  /** Their elements. */
  readonly properties: readonly string[]
  /** The name in DAV: of a condition that was not met. */
  readonly condition?: string | undefined
}

export async function* multistatus(responses: AsyncIterable<string>): AsyncGenerator<string> {
  let hasBegun = false
  for await (const text of responses) {
    yield hasBegun ? text : `${BEGIN}${text}`
    hasBegun = true
  }
  yield hasBegun ? END : `${BEGIN}${END}`
}

/** The response about one place. */
export function responseOf(href: string, statuses: readonly PropertyStatus[]): string {
  const told = statuses.filter(({ properties }) => properties.length > 0)
  const parts = (told.length > 0 ? told : NONE).map(
    ({ status, properties, condition }) =>
      `<D:propstat><D:prop>${properties.join('')}</D:prop>` +
      `<D:status>HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}</D:status>` +
      (condition === undefined ? '' : `<D:error><D:${condition}/></D:error>`) +
      '</D:propstat>',
  )
  return `<D:response><D:href>${escapeXml(href)}</D:href>${parts.join('')}</D:response>\n`
}

const NONE: readonly PropertyStatus[] = [{ status: 200, properties: [] }]
