// Decides about one thing that a node stores, or should store, once it was looked at. Of all of it:
//   what the map ascribes to this node and is not here whole is told to the map first, and let go
//     after
//   a damaged shard stays while other peers do not hold enough to rebuild it: the good part may be
//     all there is
//   a whole shard that the map ascribes to nobody is told to the map, not thrown away
//   nothing that no map ascribes here goes at once: it may be on its way into the map
// Source: Chun et al., "Efficient Replica Maintenance" (NSDI 2006) for shards that are found again.
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import { DAY_MS, HOUR_MS } from '../../protocol/units.ts'
import type { ChunkId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { ScrubFinding } from '../control/upkeep.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { Store } from '../store/store.ts'
import type { Network } from '../world/world.ts'
import { lacksShards } from './shard-trimming.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { WriteLog } from '../observe/log-events.ts'

/**
 * How long a shard may be here before the map says so: of a stripe that no volume knows, and of one
 * that is known.
 */
const UNKNOWN_MS: number = DAY_MS
const UNASSIGNED_MS: number = HOUR_MS

/** A volume of this node. */
export interface ScrubbedVolume {
  readonly id: VolumeId
  readonly name: string
  readonly map: Pick<StripeMap, 'stripe' | 'locations' | 'groups' | 'stripesOf' | 'recordShards'>
  /** Is the chunk one that was written here and is in no stripe yet? */
  readonly isUnplaced: (chunk: ChunkId) => boolean
  /** The chunk from another node. throws ShoalError 'chunk-unavailable'. */
  readonly fetch: (chunk: ChunkId, options: { signal: AbortSignal }) => Promise<Uint8Array>
}

export interface ScrubCheckParts {
  readonly store: Pick<Store, 'shards' | 'chunks' | 'orphans' | 'commit'>
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly volumes: () => Iterable<ScrubbedVolume>
  /** Is there data here of volumes that are not among them? */
  readonly keepsOthers: () => boolean
  /** Something on the disk is not what was stored. */
  readonly onDamaged: () => Promise<void>
  readonly log: WriteLog
}

/** A stripe and the volume that knows it. */
interface Known {
  readonly volume: ScrubbedVolume
  readonly stripe: MappedStripe
}

export class ScrubCheck {
  readonly #parts: ScrubCheckParts

  constructor(parts: ScrubCheckParts) {
    this.#parts = parts
  }

  /** Read a shard that is held here, and do about it what is to be done. */
  async shard(stripe: StripeId, index: number): Promise<ScrubFinding | undefined> {
    const { store } = this.#parts
    const { orphans } = store
    const state = await store.shards.verify(stripe, index)
    if (state === 'missing') return undefined
    if (state === 'damaged') await this.#parts.onDamaged()
    const known = this.#known(stripe)
    const facts = { kind: 'shard', id: stripe, index, volume: known?.volume.name } as const
    if (state === 'damaged' && (known === undefined || !isPlanted('damage-left'))) {
      return this.#found({ ...facts, state, action: await this.#damaged(stripe, index, known) })
    }
    if (this.#isAscribed(known?.stripe, index)) {
      await orphans.forget({ stripe, index })
      return undefined
    }
    return this.#found({
      ...facts,
      state: 'stray',
      action: await this.#stray(stripe, index, known),
    })
  }

  /**
   * Read a chunk that is held here. A damaged one is replaced, or stays: what others have of it may
   * be no better.
   */
  async chunk(id: ChunkId, signal: AbortSignal): Promise<ScrubFinding | undefined> {
    const { store, volumes } = this.#parts
    if ((await store.chunks.verify(id)) !== 'damaged') return undefined
    await this.#parts.onDamaged()
    const all = [...volumes()]
    const listing = all.find(({ map }) => map.locations(id).length > 0)
    const volume = listing ?? all.find(({ isUnplaced }) => isUnplaced(id))
    const facts = { kind: 'chunk', id, volume: volume?.name, state: 'damaged' } as const
    for (const { fetch } of volume === undefined ? all : [volume]) {
      const sealed = await fetch(id, { signal }).catch((error: unknown) => unavailable(error))
      if (sealed === undefined) continue
      store.chunks.delete(id)
      await store.chunks.put(id, sealed)
      await store.commit([])
      return this.#found({ ...facts, action: 'replaced' })
    }
    return this.#found({ ...facts, action: listing === undefined ? 'lost' : 'kept' })
  }

  /**
   * Are the shards of a stripe here that the map ascribes to this node? Their bytes are not read.
   */
  async ascribed(volume: ScrubbedVolume, id: StripeId): Promise<ScrubFinding[]> {
    const stripe = volume.map.stripe(id)
    const held = this.#parts.store.shards.indices(id)
    // Its dropping is left to swept-stripes.ts.
    if (stripe?.isSwept === true) return []
    const missing = [...(stripe?.holders ?? []).keys()].filter(
      (index) => this.#isAscribed(stripe, index) && !held.includes(index),
    )
    const findings: ScrubFinding[] = []
    for (const index of missing) {
      const action = await this.#missing(volume, id, index)
      const state = 'missing'
      findings.push(this.#found({ kind: 'shard', id, index, volume: volume.name, state, action }))
    }
    return findings
  }

  async #damaged(
    stripe: StripeId,
    index: number,
    known: Known | undefined,
  ): Promise<ScrubFinding['action']> {
    const { store, network } = this.#parts
    if (known === undefined && this.#parts.keepsOthers()) return 'kept'
    if (known === undefined) {
      store.shards.delete(stripe, index)
      await store.commit([])
      return 'dropped'
    }
    const { header, holders } = known.stripe
    const isAscribed = this.#isAscribed(known.stripe, index)
    if (isAscribed && !(await this.#record(known.volume, stripe, index, false))) return 'kept'
    const reachable = new Set([network.self, ...network.peers()])
    const others = holders.filter(
      (peers, other) => other !== index && peers.some((peer) => reachable.has(peer)),
    )
    if (others.length < header.k) return 'kept'
    store.shards.delete(stripe, index)
    await store.commit([])
    return isAscribed ? 'recorded' : 'dropped'
  }

  async #stray(
    stripe: StripeId,
    index: number,
    known: Known | undefined,
  ): Promise<ScrubFinding['action']> {
    const { store } = this.#parts
    const { orphans } = store
    if (known?.stripe.holders[index]?.length === 0 && lacksShards(known.stripe)) {
      const isRecorded = await this.#record(known.volume, stripe, index, true)
      return isRecorded ? 'returned' : 'kept'
    }
    if (known === undefined && this.#parts.keepsOthers()) return 'kept'
    const waitMs = known === undefined ? UNKNOWN_MS : UNASSIGNED_MS
    if ((await orphans.ageMs({ stripe, index })) < waitMs) return 'kept'
    store.shards.trash(stripe, index)
    await store.commit([])
    await orphans.forget({ stripe, index })
    return 'trashed'
  }

  async #missing(
    volume: ScrubbedVolume,
    stripe: StripeId,
    index: number,
  ): Promise<ScrubFinding['action']> {
    const { store } = this.#parts
    if (await store.shards.restore(stripe, index)) {
      await store.commit([])
      return 'restored'
    }
    return (await this.#record(volume, stripe, index, false)) ? 'recorded' : 'kept'
  }

  /**
   * Say in the map that this node holds a shard, or holds it not. returns false if it may not, or
   * cannot.
   */
  async #record(
    { map }: ScrubbedVolume,
    stripe: StripeId,
    index: number,
    isHeld: boolean,
  ): Promise<boolean> {
    const { network, log } = this.#parts
    try {
      await map.recordShards(stripe, [{ index, peer: network.self, isHeld }])
      return true
    } catch (error) {
      const { code, message } = asShoalError(error)
      log('scrub.not-recorded', { stripe, index, code, message })
      return false
    }
  }

  #isAscribed(stripe: MappedStripe | undefined, index: number): boolean {
    return stripe?.holders[index]?.includes(this.#parts.network.self) === true
  }

  #known(id: StripeId): Known | undefined {
    for (const volume of this.#parts.volumes()) {
      const stripe = volume.map.stripe(id)
      if (stripe !== undefined) return { volume, stripe }
    }
    return undefined
  }

  #found(finding: ScrubFinding): ScrubFinding {
    const { action, state } = finding
    const event = action === 'lost' ? 'scrub.lost' : (`scrub.${state}` as const)
    if (state !== 'stray' || action !== 'kept') this.#parts.log(event, { ...finding })
    return finding
  }
}

function unavailable(error: unknown): undefined {
  if (hasCode(error, 'chunk-unavailable')) return undefined
  throw error
}
