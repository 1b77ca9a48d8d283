// Nodes that each look after the stripes of one volume, in one process: stores of their own, one
// shard map that all see at once, calls instead of a network, and time that stands still.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { equalBytes } from '../../../protocol/bytes.ts'
import { choosePlacement } from '../../../protocol/placement/choose-placement.ts'
import { placementGroup } from '../../../protocol/placement/placement-group.ts'
import { shardRoot } from '../../../protocol/stripe/shard-tree.ts'
import { HOUR_MS, divCeil } from '../../../protocol/units.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import { RepairLoop } from '../../../node/repair/repair-loop.ts'
import { Quarantine } from '../../../node/repair/quarantine.ts'
import type { PeerId, StripeId } from '../../../protocol/ids.ts'
import type { Candidate } from '../../../protocol/placement/rendezvous.ts'
import type { MappedStripe } from '../../../node/shard-map/stripe-map.ts'
import type { Network } from '../../../node/world/world.ts'
import { PeerGroup } from '../stripes/peer-group.ts'
import { MemoryStripeMap, elsewhereOf, holdings } from '../stripes/volume-state.ts'
import type { VolumeOptions } from '../stripes/volume-state.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { chunkIdOf } from '../store/fixtures.ts'

export const GRACE_MS: number = HOUR_MS
/** The size of the chunks of a stripe. */
const CHUNK_BYTES = 20_000

export interface CaretakersOptions extends VolumeOptions {
  readonly count: number
  /** How many of `count` are members from the beginning; all if left out. */
  readonly members?: number
  /** See UpkeepOptions. */
  readonly lookMs?: number
}

export class Caretakers {
  readonly group: PeerGroup
  readonly map: MemoryStripeMap
  readonly stripes: StripeId[] = []
  readonly logged: string[] = []
  /** For how long nothing was heard of a peer. */
  readonly silentMs: Map<PeerId, number> = new Map()
  readonly #lookMs: number | undefined
  readonly #upkeeps: ReadonlyMap<PeerId, RepairLoop>

  private constructor(group: PeerGroup, map: MemoryStripeMap, lookMs: number | undefined) {
    this.#lookMs = lookMs
    this.group = group
    this.map = map
    this.#upkeeps = new Map(group.peers.map((peer) => [peer, this.#upkeepOf(peer)]))
  }

  static async open(t: TestContext, options: CaretakersOptions): Promise<Caretakers> {
    const group = await PeerGroup.open(t, options)
    const map = await MemoryStripeMap.open(group, options)
    map.members = group.peers.slice(0, options.members)
    const caretakers = new Caretakers(group, map, options.lookMs)
    for (const upkeep of caretakers.#upkeeps.values()) upkeep.start()
    t.after(() => Promise.all([...caretakers.#upkeeps.values()].map((upkeep) => upkeep.stop())))
    return caretakers
  }

  of(peer: PeerId): RepairLoop {
    const upkeep = this.#upkeeps.get(peer)
    assert(upkeep !== undefined)
    return upkeep
  }

  /** A stripe of these bytes on the peers that placement chooses. */
  async place(seed: number, bytes: number, k: number, m: number): Promise<StripeId> {
    const data = xorshiftBytes(seed, bytes)
    const chunks = Array.from({ length: divCeil(bytes, CHUNK_BYTES) }, (_, i) => {
      const chunk = data.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)
      return { id: chunkIdOf(chunk), bytes: chunk }
    })
    const stripe = codeStripe(chunks, k, m)
    const candidates: readonly Candidate[] = this.map.candidates()
    const group = placementGroup(stripe.id)
    const { peers } = choosePlacement(group, candidates, k + m, m)
    for (const [index, peer] of peers.entries()) {
      const shard = stripe.shards[index]
      assert(shard !== undefined)
      const store = this.group.storeOf(peer)
      await store.shards.put(stripe.id, index, stripe.headerBytes, shard)
      await store.commit([])
    }
    const holders = stripe.shards.map((_, index) => peers.slice(index, index + 1))
    await this.map.recordStripe(stripe.headerBytes, holdings(holders))
    this.stripes.push(stripe.id)
    return stripe.id
  }

  /** A peer is silent, for a whole grace or for so long. */
  vanish(peer: PeerId, forMs: number = GRACE_MS): void {
    this.group.away.add(peer)
    this.silentMs.set(peer, forMs)
  }

  return(peer: PeerId): void {
    this.group.away.delete(peer)
    this.silentMs.delete(peer)
  }

  /** Everybody who is there does what falls to it, until nobody changes anything any more. */
  async quiet(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      const before = this.map.recorded.length
      for (const [peer, upkeep] of this.#upkeeps) {
        if (this.group.away.has(peer) || !this.map.isMember(peer)) continue
        await upkeep.repairNow(new AbortController().signal)
      }
      if (this.map.recorded.length === before) return
    }
    assert.fail('upkeep comes to no end')
  }

  stripe(id: StripeId): MappedStripe {
    const stripe = this.map.stripe(id)
    assert(stripe !== undefined)
    return stripe
  }

  /** Stripes in use. */
  used(): readonly MappedStripe[] {
    const all = new Set([...this.stripes, ...this.map.recorded])
    return [...all].flatMap((id) => this.map.stripe(id) ?? []).filter((one) => !one.isCondemned)
  }

  /** Each shard lies whole with one holder that is there, no two with the same. */
  async assertWhole(id: StripeId): Promise<void> {
    const { header, holders } = this.stripe(id)
    const there = holders.map((peers) => peers.filter((peer) => !this.group.away.has(peer)))
    assert.deepEqual(
      there.map((peers) => peers.length),
      holders.map(() => 1),
    )
    assert.equal(new Set(there.flat()).size, holders.length)
    for (const [index, [peer]] of there.entries()) {
      assert(peer !== undefined)
      const shard = await this.group.storeOf(peer).shards.read(id, index, 0, header.shardBytes)
      const root = header.shardRoots[index]
      assert(shard !== undefined && root !== undefined && equalBytes(shardRoot(shard), root))
    }
  }

  #upkeepOf(peer: PeerId): RepairLoop {
    const { client, clock, stores } = this.group
    const store = stores.get(peer)
    assert(store !== undefined)
    const network: Network = Object.create(this.group.network, {
      self: { value: peer },
      peers: {
        value: () => this.group.peers.filter((one) => one !== peer && !this.group.away.has(one)),
      },
    }) as Network
    const silentMs = (other: PeerId): number =>
      other === peer ? 0 : (this.silentMs.get(other) ?? 0)
    return new RepairLoop(
      {
        store,
        map: this.map,
        dedupCheck: elsewhereOf(this.map, { store, client, network, clock }),
        fetch: async (id) => {
          throw new ShoalError('chunk-unavailable', id)
        },
        client,
        network,
        clock,
        random: { number: () => 0.5, bytes: (n) => new Uint8Array(n), unlucky: () => false },
        detector: {
          silentMs,
          liveness: (other, graceMs) =>
            silentMs(other) === 0 ? 'online' : silentMs(other) >= graceMs ? 'gone' : 'late',
          onChange: () => () => undefined,
        },
        budget: { take: async () => undefined },
        quarantine: new Quarantine(clock),
        graceMs: () => GRACE_MS,
        mayCondemn: () => true,
        log: (message) => this.logged.push(message),
      },
      { lookMs: this.#lookMs },
    )
  }
}
