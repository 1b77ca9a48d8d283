// The cold tiers of a volume, as its policies tell of them, and as this node is let in to them.
import { utf8 } from '../../protocol/bytes.ts'
import {
  decodeTier,
  encodeTier,
  isTierName,
  tierOfPolicy,
  tierPolicy,
} from '../../protocol/cold/definition.ts'
import { formatTierLocation, isSamePlace } from '../../protocol/cold/location.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { enforces } from '../../protocol/trust.ts'
import { checkAccess } from '../../protocol/cold/access-key.ts'
import type { TierAccess } from '../../protocol/cold/access-key.ts'
import type { TierLocation } from '../../protocol/cold/location.ts'
import type { Volume } from '../log/volume.ts'
import { Listeners } from '../replica/listeners.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ObjectTier, Tiers } from '../world/world.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/**
 * By tier what is this node's own: what was agreed to, its access key, how much it may send. JSON,
 * in the index alone, which is for its owner only and sealed in a protected home; never in the log.
 */
const OWN = 'wtier:'

/** The part of a tier's settings that a node does not tell others. */
interface Own extends TierAccess {
  /** The limit for all uploads, and for all downloads; undefined: no limit. */
  readonly bytesPerSecond?: number | undefined
  /**
   * The location of the tier to which the owner agreed (encodeTier); any other needs a new
   * agreement.
   */
  readonly agreed?: string
  readonly agreedMs?: WallTime
}

/** How an owner lets a node in to a tier. */
export type OwnAccess = Omit<Own, 'agreed' | 'agreedMs'>

export class VolumeTiers {
  readonly #volume: Volume
  readonly #tiers: Tiers
  readonly #open = new Map<string, { readonly by: string; readonly tier: ObjectTier }>()
  /** The owner of this node has agreed to a tier. */
  readonly onAgreed: Listeners<[]> = new Listeners()

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

  /** Those of them that this node may open. */
  agreed(): readonly string[] {
    return this.names().filter((name) => this.isAgreed(name))
  }

  /** Has the owner of this node agreed to where the tier is now? */
  isAgreed(name: string): boolean {
    try {
      return this.#own(name).agreed === encodeTier(this.locationOf(name))
    } catch {
      return false // nobody agreed to a tier that is gone, or that cannot be read
    }
  }

  /**
   * Since when he has. What was said before of a tier may be of another place that had its name.
   */
  agreedMs(name: string): WallTime {
    return this.#own(name).agreedMs ?? (0 as WallTime)
  }

  /** throws ShoalError 'ENOENT' for a tier that the volume does not have, 'malformed'. */
  locationOf(name: string): TierLocation {
    const value = this.#policy(name)
    if (value !== '') return decodeTier(value)
    throw new ShoalError('ENOENT', `the volume has no cold tier ${name}; see shoal cold ls`)
  }

  /**
   * The same one as long as it is where it was. throws as locationOf(), 'cold-untrusted' where the
   * owner of this node has not agreed: the place is what an admin says, and what opens it are this
   * machine's programs, folders and keys.
   */
  open(name: string): ObjectTier {
    const location = this.locationOf(name)
    if (enforces('tier-agreed') && !this.isAgreed(name)) throw untrusted(name, location)
    const { accessKey, profile, bytesPerSecond } = this.#own(name)
    const access = { accessKey, profile }
    const by = JSON.stringify([location, access, bytesPerSecond])
    const known = this.#open.get(name)
    if (known?.by === by) return known.tier
    const limit = bytesPerSecond === undefined ? {} : { bytesPerSecond }
    const tier = this.#tiers.open(location, { name, access, ...limit })
    this.#open.set(name, { by, tier })
    if (known !== undefined) void ignoreFailure(known.tier.close(), 'it is not used any more')
    return tier
  }

  /**
   * Tell the volume of a tier, once it was seen to work from here; of one that it knows, how this
   * node is let in and how much it may send. The owner of this node has agreed to it by that.
   * throws ShoalError 'usage', 'EEXIST' for another place of that name, and why it does not work.
   */
  async add(
    name: string,
    location: TierLocation,
    own: OwnAccess,
    signal: AbortSignal,
  ): Promise<void> {
    checkAccess(location, own)
    if (!isTierName(name) || name === 'none')
      throw new ShoalError(
        'usage',
        `"${name}" is not a valid tier name: use letters, digits, ".", "_" and "-"`,
      )
    const before = this.#policy(name)
    if (before !== '' && before !== encodeTier(location))
      throw new ShoalError(
        'EEXIST',
        `the volume already has a cold tier ${name} at another location; see "shoal cold ls"`,
      )
    const tier = this.#tiers.open(location, { name, access: own })
    try {
      await tier.check({ signal })
    } finally {
      await tier.close()
    }
    this.#keepOwn(name, location, own)
    if (before === '')
      this.#volume.submit({ kind: 'policy', key: tierPolicy(name), value: encodeTier(location) })
    await this.#volume.commit()
  }

  /**
   * The owner of this node agrees to a tier of the volume. location: as it was shown to him.
   * throws ShoalError 'ENOENT', 'ESTALE' if the tier is another by now, 'usage' for access that a
   * tier of its kind has none of.
   */
  async agree(name: string, location: TierLocation, access: OwnAccess): Promise<void> {
    if (encodeTier(this.locationOf(name)) !== encodeTier(location))
      throw new ShoalError(
        'ESTALE',
        `the location of cold tier ${name} has changed; check it again with "shoal cold trust ${name}"`,
      )
    checkAccess(location, access)
    this.#keepOwn(name, location, access)
    await this.#volume.commit()
  }

  /** The owner of this node agrees to a tier no more. What lies there stays there. */
  async disagree(name: string): Promise<void> {
    this.#volume.view.delete(OWN + name)
    await this.#volume.commit()
    await this.#close(name)
  }

  /**
   * A tier was found here: this node is let in so, and the volume is told if it knows of another
   * place.
   */
  async found(name: string, location: TierLocation, access: TierAccess): Promise<void> {
    const before = this.#policy(name)
    const isKnown = before !== '' && isSamePlace(this.locationOf(name), location)
    this.#keepOwn(name, isKnown ? this.locationOf(name) : location, access)
    if (before !== '' && !isKnown)
      this.#volume.submit({ kind: 'policy', key: tierPolicy(name), value: encodeTier(location) })
    await this.#volume.commit()
  }

  /** Let the volume know of it no more. Nothing is taken out of it. */
  async remove(name: string): Promise<void> {
    this.#volume.view.delete(OWN + name)
    this.#volume.submit({ kind: 'policy', key: tierPolicy(name), value: '' })
    await this.#volume.commit()
    await this.#close(name)
  }

  async close(): Promise<void> {
    await Promise.allSettled(Array.from(this.#open.values(), ({ tier }) => tier.close()))
    this.#open.clear()
  }

  #policy(name: string): string {
    return this.#volume.membership.policy(tierPolicy(name)) ?? ''
  }

  async #close(name: string): Promise<void> {
    const known = this.#open.get(name)
    this.#open.delete(name)
    await known?.tier.close()
  }

  #keepOwn(name: string, location: TierLocation, access: OwnAccess): void {
    const agreedMs = this.#volume.time.wall()
    const own: Own = { ...access, agreed: encodeTier(location), agreedMs }
    this.#volume.view.put(OWN + name, utf8(JSON.stringify(own)))
    this.onAgreed.tell()
  }

  #own(name: string): Own {
    const bytes = this.#volume.view.get(OWN + name)
    return bytes === undefined ? {} : (JSON.parse(Buffer.from(bytes).toString()) as Own)
  }
}

function untrusted(name: string, location: TierLocation): ShoalError {
  const { endpoint } = location.kind === 's3' ? location : {}
  const where = formatTierLocation(location) + (endpoint === undefined ? '' : ` at ${endpoint}`)
  return new ShoalError(
    'cold-untrusted',
    `cold tier ${name} is at ${where} according to the volume; ` +
      `this node uses it only after you agree: "shoal cold trust ${name}"`,
  )
}
