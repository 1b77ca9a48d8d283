// The data paths' view of a volume (node/data/stripe-map.ts), told by its log.
import { chunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import { chunkSecret } from '../../protocol/membership/members.ts'
import { mayStore } from '../../protocol/membership/roles.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'
import type { Holders, StripeMap } from '../data/stripe-map.ts'
import { classOf } from '../namespace/settings.ts'
import type { PlacedStripe } from '../namespace/stripes.ts'
import type { Volume } from '../namespace/volume.ts'

/** Weight of a member that has not said how much it offers, in bytes. */
const UNSAID_CAPACITY_BYTES = 100e9

export class VolumeStripeMap implements StripeMap {
  readonly #volume: Volume
  /** Per epoch the secrets and what is made of them. */
  readonly #keys = new Map<number, readonly [secrets: readonly Uint8Array[], keys: ChunkKeys]>()

  constructor(volume: Volume) {
    this.#volume = volume
  }

  locate(chunk: ChunkId): { stripe: StripeId; index: number } | undefined {
    return this.#volume.stripes.locate(chunk)
  }

  stripe(id: StripeId): PlacedStripe | undefined {
    return this.#volume.stripes.get(id)
  }

  async recordStripe(headerBytes: Uint8Array, holders: Holders): Promise<void> {
    this.#volume.submit({ kind: 'stripe', header: headerBytes, holders })
    await this.#volume.commit()
  }

  candidates(): readonly Candidate[] {
    return this.#volume.membership
      .members()
      .filter(({ role }) => mayStore(role))
      .map(({ peer, zone, capacityBytes }) => ({
        peer,
        // A member that names no zone is a failure domain of its own.
        zone: zone === '' ? peer : zone,
        weight: capacityBytes > 0 ? capacityBytes : UNSAID_CAPACITY_BYTES,
      }))
  }

  redundancy(): RedundancyClass {
    return classOf(this.#volume)
  }

  keys(epoch: number = this.#volume.membership.epoch): ChunkKeys {
    const secrets = this.#volume.membership.secrets(epoch)
    const known = this.#keys.get(epoch)
    if (known?.[0] === secrets) return known[1]
    const [secret, ...others] = secrets
    if (secret === undefined) {
      throw new ShoalError(
        'EACCES',
        `this node has no key of epoch ${epoch} of the volume; ask an admin to invite it as a reader or writer`,
      )
    }
    const keys: ChunkKeys = {
      volume: this.#volume.id,
      chunkSecret: chunkSecret(secret),
      otherSecrets: others.map(chunkSecret),
      epoch,
      hash: this.#volume.genesis.hash,
    }
    this.#keys.set(epoch, [secrets, keys])
    return keys
  }

  chunkSizes(): ChunkSizes {
    return chunkSizes(this.#volume.genesis.chunk)
  }

  nameOf(peer: PeerId): string {
    return this.#volume.membership.nameOf(peer)
  }

  isMember(peer: PeerId): boolean {
    return this.#volume.membership.member(peer) !== undefined
  }

  mayStore(peer: PeerId): boolean {
    const member = this.#volume.membership.member(peer)
    return member !== undefined && mayStore(member.role)
  }
}
