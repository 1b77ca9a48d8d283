// Announcements of backups in cold tiers: for each tier and member the last head that it put. So
// whoever can write to a tier, but not to the log, cannot take back what lies there unnoticed.
// Registers, of which the greatest stamp wins.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex, utf8 } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { publicKeyOf } from '../../protocol/ids.ts'
import type { BackupHeadId, PeerId } from '../../protocol/ids.ts'
import { decodeDot, encodeDot, stampMs } from '../../protocol/clock/dot.ts'
import type { Dot, Stamp } from '../../protocol/clock/dot.ts'
import { mayGiveUp } from '../../protocol/roles.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { StateView } from '../state/state-view.ts'
import type { Membership } from './membership.ts'

/** Then the public key of the member, and the name of the tier. */
const BACKUP: ByteString = STATE_PREFIXES.backup

export interface AnnouncedBackup {
  readonly peer: PeerId
  readonly number: number
  readonly head: BackupHeadId
  /** The place in the log, and the time by the member's clock. */
  readonly dot: Dot
  readonly time: WallTime
}

type BackupOp = Extract<TreeOp, { kind: 'backup' }>

export function applyBackup(view: StateStore, op: BackupOp, dot: Dot, stamp: Stamp): void {
  const key = keyOf(op.peer, op.tier)
  const known = view.get(key)
  if (known !== undefined && decode(known).stamp >= stamp) return
  const record = [op.number, fromHex(op.head), encodeDot(dot), fromByteString(stamp)]
  view.put(key, encodeCbor(record))
}

/** May a member put heads of backups, and does one that it signed count? */
export function mayBackUp(
  { membership }: { readonly membership: Membership },
  peer: PeerId,
): boolean {
  const role = membership.roleOf(peer)
  return role !== undefined && mayGiveUp(role)
}

/** The last that each member announced that may. */
export function announcedBackups(
  volume: { readonly membership: Membership; readonly view: StateView },
  tier: string,
): readonly AnnouncedBackup[] {
  return volume.membership.members().flatMap(({ peer }) => {
    const bytes = mayBackUp(volume, peer) ? volume.view.get(keyOf(peer, tier)) : undefined
    if (bytes === undefined) return []
    const { stamp, ...announced } = decode(bytes)
    return [{ peer, ...announced, time: stampMs(stamp) }]
  })
}

function decode(
  bytes: Uint8Array,
): Pick<AnnouncedBackup, 'number' | 'head' | 'dot'> & { readonly stamp: Stamp } {
  const [number, head, dot, stamp] = decodeCbor(bytes, 'announced backup') as readonly [
    number,
    Uint8Array,
    unknown,
    Uint8Array,
  ]
  return {
    number,
    head: toHex(head) as BackupHeadId,
    dot: decodeDot(dot),
    stamp: toByteString(stamp) as Stamp,
  }
}

function keyOf(peer: PeerId, tier: string): ByteString {
  return BACKUP + toByteString(publicKeyOf(peer)) + toByteString(utf8(tier))
}
