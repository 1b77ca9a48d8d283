// The parts that a volume is opened with, and those read from the store then.
import type { ByteString } from '../../protocol/bytes.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { Attestations } from '../replica/attestations.ts'
import { readCheckpoint } from '../replica/kept-checkpoint.ts'
import { Beacons } from './beacons.ts'
import { journalName, replayJournal } from './journal/journal-replay.ts'
import type { Replayed } from './journal/journal-replay.ts'
import type { SegmentsEnd } from '../store/segments-end.ts'
import { Membership } from '../replica/membership.ts'
import { Replica } from '../replica/replica.ts'
import type { StateView } from '../state/state-view.ts'

export interface VolumeComponents {
  /** disk: where the journals are; without one nothing is kept but by commits. */
  readonly world: Pick<World, 'clock' | 'random'> & Partial<Pick<World, 'disk'>>
  readonly store: Pick<Store, 'kv' | 'commit'> &
    Partial<Pick<Store, 'isFull' | 'whole' | 'payloadsEnd' | 'keepPayloads' | 'forgetWhole'>>
  readonly identity: Identity
  /** The version of the program. */
  readonly version?: string
  /** As Stop has it. */
  readonly isCareful?: boolean
}

export interface OpenedParts {
  readonly view: StateView
  readonly membership: Membership
  readonly replica: Replica
  readonly claims: Beacons
  readonly attestations: Attestations
  readonly replayed: Replayed
}

const NOWHERE: SegmentsEnd = { segment: 0, offset: 0 }

/** Reads the parts, after it has applied what the last run left in the journal. */
export async function openParts(
  view: StateView,
  { world, store, identity }: VolumeComponents,
  { id, genesis, tag }: { id: VolumeId; genesis: Genesis; tag: ByteString },
): Promise<OpenedParts> {
  const { disk } = world
  const name = disk && journalName(disk, tag)
  const replayed = await replayJournal(view, name, store.whole ?? NOWHERE)
  const origins = { volume: id, creator: genesis.creator, created: genesis.created }
  const membership = await Membership.open(view, identity, origins)
  const ground = { stored: view, base: readCheckpoint(view) }
  const replica = await Replica.open(view, { volume: id, membership }, ground)
  const claims = await Beacons.open(view)
  const attestations = await Attestations.open(view, id)
  return { view, membership, replica, claims, attestations, replayed }
}
