// Messages of /shoal/log/1: one exchange of version vectors, then the missing entries both ways in causal order, then
// what is durable. DAG-CBOR maps, kind in "t". Both sides send the same sequence: hello, entries*, done, durable.
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { fromHex } from '../bytes.ts'
import { decodeVector, encodeVector } from '../clock/vector-clock.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import { ShoalError, assertNever } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { hexId } from '../ids.ts'
import type { VolumeId } from '../ids.ts'
import { ENTRY_BODY_MAX, FRAME_MAX } from '../limits.ts'
import { decodeEntry, encodeEntry } from '../log/entry.ts'
import type { Entry } from '../log/entry.ts'

export const LOG_PROTOCOL = '/shoal/log/1'
/** Entries are sent in frames of about this many bytes. */
export const ENTRIES_FRAME_BYTES: number = 256 * 1024
const ENTRIES_PER_FRAME_MAX = 4096
const MESSAGE_MAX = 1024
/** Codes that an error may carry; any other is read as 'internal'. */
const ERRORS: ReadonlySet<string> = new Set<ErrorCode>([
  'not-a-member',
  'malformed',
  'unsupported',
  'stopped',
  'EBUSY',
])

export type LogMessage =
  | { readonly kind: 'hello'; readonly volume: VolumeId; readonly vector: VersionVector }
  | { readonly kind: 'entries'; readonly entries: readonly Entry[] }
  | { readonly kind: 'done' }
  | { readonly kind: 'durable'; readonly vector: VersionVector }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string }

export function encodeLogMessage(message: LogMessage): Uint8Array {
  const t = message.kind
  switch (message.kind) {
    case 'hello':
      return encodeCbor({ t, vol: fromHex(message.volume), vv: encodeVector(message.vector) })
    case 'entries':
      return encodeCbor({ t, e: message.entries.map(encodeEntry) })
    case 'done':
      return encodeCbor({ t })
    case 'durable':
      return encodeCbor({ t, vv: encodeVector(message.vector) })
    case 'error':
      return encodeCbor({ t, code: message.code, m: message.message.slice(0, MESSAGE_MAX) })
    default:
      return assertNever(message)
  }
}

/** throws ShoalError 'malformed', 'unsupported' for a newer entry. */
export function decodeLogMessage(bytes: Uint8Array): LogMessage {
  const f = new Fields(decodeCbor(bytes, 'log message'), 'log message')
  const kind = f.text('t', 16)
  switch (kind) {
    case 'hello':
      return {
        kind,
        volume: hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume'),
        vector: decodeVector(f.raw('vv')),
      }
    case 'entries':
      return {
        kind,
        entries: f.list('e', ENTRIES_PER_FRAME_MAX).map((item) => {
          if (
            !(item instanceof Uint8Array) ||
            item.length > Math.min(FRAME_MAX, 2 * ENTRY_BODY_MAX)
          ) {
            throw new ShoalError('malformed', 'a log message holds something that is no entry')
          }
          return decodeEntry(item)
        }),
      }
    case 'done':
      return { kind }
    case 'durable':
      return { kind, vector: decodeVector(f.raw('vv')) }
    case 'error': {
      const code = f.text('code', 64)
      const text = f.text('m', MESSAGE_MAX)
      return { kind, code: ERRORS.has(code) ? (code as ErrorCode) : 'internal', message: text }
    }
    default:
      throw new ShoalError('malformed', `"${kind}" is not a log message`)
  }
}
