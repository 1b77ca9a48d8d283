// Failures as WebDAV tells them (RFC 4918, section 16): a status, and the condition that was not
// met.
import { ShoalError, asShoalError } from '../../../protocol/errors.ts'
import { statusOf } from '../../control/status-code.ts'
import { escapeXml } from '../xml/xml-text.ts'

/** A name of DAV:, with what it is about. */
export interface UnmetCondition {
  readonly name: string
  /** URLs, percent-encoded. */
  readonly hrefs?: readonly string[]
}

export class DavError extends ShoalError {
  readonly status: number
  readonly condition: UnmetCondition | undefined

  constructor(status: number, message: string, condition?: UnmetCondition) {
    super('usage', message)
    this.status = status
    this.condition = condition
  }
}

/** The status of any failure. */
export function davStatus(thrown: unknown): number {
  if (thrown instanceof DavError) return thrown.status
  const { code } = asShoalError(thrown)
  switch (code) {
    case 'EISDIR':
      return 405
    case 'EINVAL':
      return 403
    case 'ENOTDIR':
      return 404
    case 'E2BIG':
      return 507
    case 'EBUSY':
      return 503
    case 'unsupported':
      return 501
    default:
      return statusOf(code)
  }
}

/** The body of an answer that is a failure. */
export function davErrorBody(error: ShoalError): string {
  const { name, hrefs = [] } = (error instanceof DavError && error.condition) || {}
  const about = hrefs.map((href) => `<D:href>${escapeXml(href)}</D:href>`).join('')
  const condition = name === undefined ? '' : `<D:${name}>${about}</D:${name}>`
  const message = `<s:message xmlns:s="urn:shoal:error">${escapeXml(error.message)}</s:message>`
  return `<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:">${condition}${message}</D:error>\n`
}
