// How a volume's log tells of a tier: by a policy named after it, whose value is where the tier is, as JSON; empty once it
// is taken away. What a node needs to be let in is its own, and never in there.
import { ShoalError } from '../errors.ts'
import { TIER_NAME_MAX } from '../limits.ts'
import { formatTierLocation, parseTierLocation } from './location.ts'
import type { S3Options, TierLocation } from './location.ts'

const PREFIX = 'tier:'
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

/** How a node is let in to a tier: of S3 only. */
export type TierAccess = Pick<S3Options, 'credentialsFile' | 'profile'>

/** Of S3: what lies there is read hours after it was asked back. */
const ARCHIVE_CLASSES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])

/** Does a tier call its archive so? */
export function isArchiveClass(storageClass: string): boolean {
  return ARCHIVE_CLASSES.has(storageClass)
}

export function isTierName(text: string): boolean {
  return NAME.test(text) && text.length <= TIER_NAME_MAX
}

/** The policy that tells of a tier. */
export function tierPolicy(name: string): string {
  return PREFIX + name
}

/** Inverse of tierPolicy; undefined for another policy. */
export function tierOfPolicy(key: string): string | undefined {
  const name = key.slice(PREFIX.length)
  return key.startsWith(PREFIX) && isTierName(name) ? name : undefined
}

/** The value of the policy. */
export function encodeTier(location: TierLocation): string {
  const { endpoint, region, storageClass } = location.kind === 's3' ? location : {}
  return JSON.stringify({ url: formatTierLocation(location), endpoint, region, storageClass })
}

/** Where the tier is. throws ShoalError 'malformed' for what this node can't read. */
export function decodeTier(value: string, access: TierAccess = {}): TierLocation {
  try {
    const { url, ...options } = JSON.parse(value) as { url: string } & S3Options
    return parseTierLocation(url, { ...options, ...(url.startsWith('s3:') ? access : {}) })
  } catch (cause) {
    throw new ShoalError(
      'malformed',
      `the volume tells of a tier in a way that this node cannot read`,
      {
        cause,
      },
    )
  }
}
