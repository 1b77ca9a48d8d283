// The cold tiers of the real world: which driver serves which location. All keep the same bounds.
import { BoundedTier } from './bounded-tier.ts'
import { FolderTier } from './dir.ts'
import { RcloneTier } from './rclone.ts'
import type { TierLocation } from '../../../protocol/cold/location.ts'
import type { Clock, ObjectTier, Random, TierOptions, Tiers } from '../world.ts'

const RCLONE = 'rclone'

export class SystemTiers implements Tiers {
  readonly #clock: Clock
  readonly #random: Random
  readonly #spoolFolder: string

  /** spoolFolder: for what a driver must have whole before it can send it. */
  constructor(
    { clock, random }: { clock: Clock; random: Random },
    { spoolFolder }: { spoolFolder: string },
  ) {
    this.#clock = clock
    this.#random = random
    this.#spoolFolder = spoolFolder
  }

  open(location: TierLocation, options: TierOptions): ObjectTier {
    const [clock, random] = [this.#clock, this.#random]
    const tier = this.#driver(location, options)
    return new BoundedTier({ tier, clock, random }, options)
  }

  async #driver(location: TierLocation, { name, access }: TierOptions): Promise<ObjectTier> {
    const components = { clock: this.#clock, random: this.#random }
    switch (location.kind) {
      case 's3': {
        // The SDK takes 50 MiB of memory, and 0.15 s of each start: for who has such a tier.
        const { S3Tier } = await import('./s3.ts')
        return new S3Tier(components, location, { name, access })
      }
      case 'rclone': {
        const options = { name, program: RCLONE, spoolFolder: this.#spoolFolder }
        return new RcloneTier(components, location, options)
      }
      case 'dir':
        return new FolderTier(components, location, { name })
    }
  }
}
