// Messages of /shoal/join/1: the joiner shows a ticket's secret over the connection that proves
// both identities; the member logs the grant and answers with the genesis document and the keys,
// sealed to the joiner. Who is not served any more asks here whether it was removed: it is all that
// a removed member is told.
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { fromHex } from '../bytes.ts'
import { ShoalError, assertNever } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { hexId } from '../ids.ts'
import type { VolumeId } from '../ids.ts'
import { GENESIS_BYTES_MAX } from '../membership/genesis.ts'
import { TICKET_SECRET_BYTES } from '../membership/ticket.ts'
import { KIB } from '../units.ts'

export const JOIN_PROTOCOL = '/shoal/join/1'
const EPOCHS_MAX = 1024
const MESSAGE_MAX = 1024
const SEALED_KEY_MAX = 256
const EPOCH_MAX = 2 ** 32
/** Frames either way. */
export const JOIN_REQUEST_MAX: number = 1 * KIB
export const JOIN_REPLY_MAX: number = GENESIS_BYTES_MAX + EPOCHS_MAX * (SEALED_KEY_MAX + 16)
const REQUEST_ITEMS_MAX = 32
/** Each key is a pair. */
const REPLY_ITEMS_MAX: number = 4 * EPOCHS_MAX
/** Codes that a refusal may carry; any other is read as 'internal'. */
const REFUSALS: ReadonlySet<string> = new Set<ErrorCode>([
  'ticket-unknown',
  'ticket-expired',
  'ticket-used',
  'ticket-revoked',
  'no-such-volume',
  'malformed',
  'unsupported',
  'stopped',
  'EPERM',
  'ENOSPC',
])

export type JoinRequest =
  | { readonly kind: 'join'; readonly volume: VolumeId; readonly secret: Uint8Array }
  /** Was I a member of this volume, and removed? */
  | { readonly kind: 'removed'; readonly volume: VolumeId }

export type JoinReply =
  | {
      readonly kind: 'admitted'
      readonly genesis: Uint8Array
      readonly keys: readonly { readonly epoch: number; readonly sealed: Uint8Array }[]
    }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  /** No is said also of volumes that are not here. */
  | { readonly kind: 'removed'; readonly isSo: boolean }

export function encodeJoinRequest(request: JoinRequest): Uint8Array {
  const common = { t: request.kind, vol: fromHex(request.volume) }
  return encodeCbor(request.kind === 'join' ? { ...common, s: request.secret } : common)
}

/** throws ShoalError 'malformed'. */
export function decodeJoinRequest(bytes: Uint8Array): JoinRequest {
  const f = new Fields(decodeCbor(bytes, 'join request', REQUEST_ITEMS_MAX), 'join request')
  const kind = f.text('t', 16)
  if (kind !== 'join' && kind !== 'removed')
    throw new ShoalError('malformed', 'a join request is no such request')
  const volume = hexId<VolumeId>(f.bytes('vol', 32), 32, 'volume')
  if (kind === 'removed') return { kind, volume }
  return { kind, volume, secret: f.bytes('s', TICKET_SECRET_BYTES, TICKET_SECRET_BYTES) }
}

export function encodeJoinReply(reply: JoinReply): Uint8Array {
  const t = reply.kind
  switch (reply.kind) {
    case 'admitted': {
      const k = reply.keys.map(({ epoch, sealed }) => [epoch, sealed])
      return encodeCbor({ t, g: reply.genesis, k })
    }
    case 'refused':
      return encodeCbor({ t, code: reply.code, m: reply.message.slice(0, MESSAGE_MAX) })
    case 'removed':
      return encodeCbor({ t, r: reply.isSo })
    default:
      return assertNever(reply)
  }
}

/** throws ShoalError 'malformed'. */
export function decodeJoinReply(bytes: Uint8Array): JoinReply {
  const f = new Fields(decodeCbor(bytes, 'join reply', REPLY_ITEMS_MAX), 'join reply')
  const kind = f.text('t', 16)
  if (kind === 'refused') {
    const code = f.text('code', 64)
    const message = f.text('m', MESSAGE_MAX)
    return { kind, code: REFUSALS.has(code) ? (code as ErrorCode) : 'internal', message }
  }
  if (kind === 'removed') {
    const isSo = f.raw('r')
    if (typeof isSo === 'boolean') return { kind, isSo }
  }
  if (kind !== 'admitted') throw new ShoalError('malformed', `"${kind}" is not a join reply`)
  return {
    kind,
    genesis: f.bytes('g', GENESIS_BYTES_MAX),
    keys: f.list('k', EPOCHS_MAX).map((item) => {
      const [epoch, sealed] = Array.isArray(item) ? (item as readonly unknown[]) : []
      const epochOk =
        typeof epoch === 'number' && Number.isInteger(epoch) && epoch >= 0 && epoch <= EPOCH_MAX
      if (!epochOk || !(sealed instanceof Uint8Array) || sealed.length > SEALED_KEY_MAX) {
        throw new ShoalError('malformed', 'a join reply has a bad key')
      }
      return { epoch, sealed }
    }),
  }
}
