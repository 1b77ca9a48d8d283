// The cold tiers of a volume, as its policies tell of them, and as this node is let in to them.
import { utf8 } from '../../protocol/bytes.ts'
import {
  decodeTier,
  encodeTier,
  isTierName,
  tierOfPolicy,
  tierPolicy,
} from '../../protocol/cold/definition.ts'
import { isSamePlace } from '../../protocol/cold/location.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { TierAccess } from '../../protocol/cold/definition.ts'
import type { TierLocation } from '../../protocol/cold/location.ts'
import type { Volume } from '../namespace/volume.ts'
import type { ObjectTier, Tiers } from '../world/world.ts'

/** By tier what is this node's own: how it is let in, and how much it may send. JSON, never in the log. */
const OWN = 'wtier:'

/** What a node does not tell others of a tier. */
interface Own extends TierAccess {
  /** Of all that it puts, and of all that it gets; undefined: no bound. */
  readonly bytesPerSecond?: number
}

export class VolumeTiers {
  readonly #volume: Volume
  readonly #tiers: Tiers
  readonly #open = new Map<string, { readonly by: string; readonly tier: ObjectTier }>()

  constructor({ volume, tiers }: { volume: Volume; tiers: Tiers }) {
    this.#volume = volume
    this.#tiers = tiers
  }

  /** Names, in order. */
  names(): readonly string[] {
    return this.#volume.membership
      .policies()
      .flatMap(([key, value]) => (value === '' ? [] : (tierOfPolicy(key) ?? [])))
      .sort()
  }

  /** throws ShoalError 'ENOENT' for a tier that the volume does not have, 'malformed'. */
  locationOf(name: string): TierLocation {
    const value = this.#volume.membership.policy(tierPolicy(name)) ?? ''
    const { bytesPerSecond: _, ...access } = this.#own(name)
    if (value !== '') return decodeTier(value, access)
    throw new ShoalError('ENOENT', `the volume has no cold tier ${name}; see shoal cold ls`)
  }

  /** The same one as long as it is where it was. throws as locationOf(). */
  open(name: string): ObjectTier {
    const location = this.locationOf(name)
    const { bytesPerSecond } = this.#own(name)
    const by = JSON.stringify([location, bytesPerSecond])
    const known = this.#open.get(name)
    if (known?.by === by) return known.tier
    const limit = bytesPerSecond === undefined ? {} : { bytesPerSecond }
    const tier = this.#tiers.open(location, { name, ...limit })
    this.#open.set(name, { by, tier })
    known?.tier.close().catch(() => undefined)
    return tier
  }

  /**
   * Tell the volume of a tier, once it was seen to work from here; of one that it knows, how this node is let in and how
   * much it may send.
   * throws ShoalError 'usage', 'EEXIST' for another place of that name, and why it does not work.
   */
  async add(
    name: string,
    location: TierLocation,
    bytesPerSecond: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (!isTierName(name) || name === 'none')
      throw new ShoalError(
        'usage',
        `"${name}" can't be the name of a tier: give letters, digits, . _ -`,
      )
    const before = this.#volume.membership.policy(tierPolicy(name)) ?? ''
    if (before !== '' && before !== encodeTier(location))
      throw new ShoalError(
        'EEXIST',
        `the volume has a cold tier ${name} elsewhere; see shoal cold ls`,
      )
    const tier = this.#tiers.open(location, { name })
    try {
      await tier.check({ signal })
    } finally {
      await tier.close()
    }
    this.#keepOwn(name, location, bytesPerSecond)
    if (before === '')
      this.#volume.submit({ kind: 'policy', key: tierPolicy(name), value: encodeTier(location) })
    await this.#volume.commit()
  }

  /** A tier was found here: this node is let in so, and the volume is told if it knows of another place. */
  async found(name: string, location: TierLocation): Promise<void> {
    this.#keepOwn(name, location)
    const before = this.#volume.membership.policy(tierPolicy(name)) ?? ''
    if (before !== '' && !isSamePlace(decodeTier(before), location))
      this.#volume.submit({ kind: 'policy', key: tierPolicy(name), value: encodeTier(location) })
    await this.#volume.commit()
  }

  /** Let the volume know of it no more. Nothing is taken out of it. */
  async remove(name: string): Promise<void> {
    this.#volume.view.delete(OWN + name)
    this.#volume.submit({ kind: 'policy', key: tierPolicy(name), value: '' })
    await this.#volume.commit()
  }

  async close(): Promise<void> {
    await Promise.allSettled(Array.from(this.#open.values(), ({ tier }) => tier.close()))
    this.#open.clear()
  }

  #keepOwn(name: string, location: TierLocation, bytesPerSecond?: number): void {
    const { credentialsFile, profile } = location.kind === 's3' ? location : {}
    const own = JSON.stringify({ credentialsFile, profile, bytesPerSecond })
    this.#volume.view.put(OWN + name, utf8(own))
  }

  #own(name: string): Own {
    const bytes = this.#volume.view.get(OWN + name)
    return bytes === undefined ? {} : (JSON.parse(Buffer.from(bytes).toString()) as Own)
  }
}
