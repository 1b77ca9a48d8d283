// The status of HTTP (RFC 9110) with which a failure is answered.
import type { ErrorCode } from '../../protocol/errors.ts'

export function statusOf(code: ErrorCode): number {
  switch (code) {
    case 'usage':
    case 'malformed':
    case 'ticket-malformed':
    case 'EINVAL':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENAMETOOLONG':
      return 400
    case 'EPERM':
    case 'EACCES':
    case 'EROFS':
    case 'not-a-member':
    case 'ticket-unknown':
    case 'ticket-expired':
    case 'ticket-used':
    case 'ticket-revoked':
      return 403
    case 'ENOENT':
    case 'no-such-peer':
    case 'no-such-volume':
    case 'unsupported':
      return 404
    case 'EEXIST':
    case 'ENOTEMPTY':
    case 'EBUSY':
      return 409
    case 'precondition':
      return 412
    case 'EFBIG':
      return 413
    case 'too-many':
      return 429
    case 'unreachable':
    case 'chunk-unavailable':
    case 'stripe-unrecoverable':
    case 'not-placed':
    case 'stopped':
    case 'ESTALE':
    case 'NO_QUORUM':
      return 503
    case 'timeout':
      return 504
    case 'ENOSPC':
      return 507
    default:
      return 500
  }
}
