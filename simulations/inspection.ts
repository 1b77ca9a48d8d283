// The store of a node, read as the node itself reads it after a restart: its volume's records,
// actors and log. Looking takes no virtual time and changes nothing, so a run that is looked at
// more often is the same run.
import { decodeCbor } from '../protocol/cbor.ts'
import { decodeGenesis, volumeIdOf } from '../protocol/membership/genesis.ts'
import { readCheckpoint } from '../node/replica/kept-checkpoint.ts'
import { Membership } from '../node/replica/membership.ts'
import { Replica } from '../node/replica/replica.ts'
import { StateView } from '../node/state/state-view.ts'
import type { SimulatedKv } from './kv.ts'
import type { Actor } from '../node/replica/actors.ts'
import type { PeerId } from '../protocol/ids.ts'
import type { Identity } from '../protocol/signed.ts'

/** The volume of one node, as its store has it now. */
export interface StoredVolume {
  readonly genesis: Uint8Array
  readonly view: StateView
  readonly replica: Replica
}

/**
 * The first volume in a store, open or closed; undefined if there is none. identity: of whom the
 * store is.
 */
export async function readVolume(
  store: SimulatedKv,
  identity: Identity,
): Promise<StoredVolume | undefined> {
  const kv = store.readable()
  for await (const [key, value] of kv.scan({ from: 'V', to: 'W' })) {
    const [genesis] = decodeCbor(value, 'volume record') as readonly [Uint8Array]
    const view = new StateView(kv, key.slice(1))
    const { creator, created } = decodeGenesis(genesis)
    const origins = { volume: volumeIdOf(genesis), creator, created }
    const membership = await Membership.open(view, identity, origins)
    const owner = { volume: origins.volume, membership }
    const ground = { stored: view, base: readCheckpoint(view) }
    const replica = await Replica.open(view, owner, ground)
    membership.describeBy(() => replica.infos)
    return { genesis, view, replica }
  }
  return undefined
}

/** The actor as which a peer wrote last. */
export function latestActorOf({ replica }: StoredVolume, peer: PeerId): Actor | undefined {
  let latest: Actor | undefined
  for (const id of replica.actors.vector().keys()) {
    const actor = replica.actors.get(id)
    if (actor?.peer === peer && (latest === undefined || actor.hlc > latest.hlc)) latest = actor
  }
  return latest
}
