// The parts that a volume is opened with, and those read from the store then.
import type { VolumeId } from '../../protocol/ids.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { Attestations } from '../replica/attestations.ts'
import { readCheckpoint } from '../replica/kept-checkpoint.ts'
import { Beacons } from './beacons.ts'
import { Membership } from '../replica/membership.ts'
import { Replica } from '../replica/replica.ts'
import type { StateView } from '../state/state-view.ts'

export interface VolumeComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly store: Pick<Store, 'kv' | 'commit'> & Partial<Pick<Store, 'isFull'>>
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
}

export async function openParts(
  view: StateView,
  identity: Identity,
  { id, genesis }: { readonly id: VolumeId; readonly genesis: Genesis },
): Promise<OpenedParts> {
  const origins = { volume: id, creator: genesis.creator }
  const membership = await Membership.open(view, identity, origins)
  const ground = { stored: view, base: readCheckpoint(view) }
  const replica = await Replica.open(view, { volume: id, membership }, ground)
  const claims = await Beacons.open(view)
  const attestations = await Attestations.open(view, id)
  return { view, membership, replica, claims, attestations }
}
