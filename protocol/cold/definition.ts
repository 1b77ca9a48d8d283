// How a volume's log tells of a tier: by a policy named after it, whose value is where the tier is,
// as JSON; empty once it is taken away. What a node needs to be let in is its own, and never in
// there. An admin writes it and every member reads it, so it is taken apart field by field: what it
// does not name has a meaning of its own here, and nothing is copied.
import { ShoalError } from '../errors.ts'
import { TIER_NAME_MAX } from '../limits.ts'
import { formatTierLocation, parseTierLocation } from './location.ts'
import type { S3Options, TierLocation } from './location.ts'
import type { Code } from '../placement/redundancy.ts'

const PREFIX = 'tier:'
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

const FIELDS: readonly string[] = ['url', 'endpoint', 'region', 'storageClass']

/** S3 storage classes of objects that can be read only hours after a restore request. */
const ARCHIVE_CLASSES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])

/** Nothing, as much as makes one copy, or all shards. */
/**
 * How much of a stripe stays with peers once a cold tier holds it, a volume's setting: nothing, as
 * much as makes one copy, or all shards.
 */
export type Keep = 'none' | 'copies1' | 'all'

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

/** The location of a tier. throws ShoalError 'malformed' for what is no definition of a tier. */
export function decodeTier(value: string): TierLocation {
  try {
    const { url, ...options } = fieldsOf(value)
    return parseTierLocation(url, options)
  } catch (cause) {
    const why = cause instanceof ShoalError ? cause.message : 'it is not JSON'
    throw new ShoalError(
      'malformed',
      `what the volume says of the tier cannot be used: ${why}; ` +
        'an admin can define it anew, by shoal cold rm and cold add',
      { cause },
    )
  }
}

type Definition = S3Options & { readonly url: string }

/** throws ShoalError 'malformed' for anything but texts under the names of a definition. */
function fieldsOf(value: string): Definition {
  const parsed: unknown = JSON.parse(value)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new ShoalError('malformed', 'it is no map')
  const fields = new Map<string, string>()
  for (const [name, field] of Object.entries(parsed) as [string, unknown][]) {
    if (!FIELDS.includes(name))
      throw new ShoalError('malformed', `it has a field ${JSON.stringify(name)}`)
    if (typeof field !== 'string') throw new ShoalError('malformed', `its ${name} is no text`)
    fields.set(name, field)
  }
  const [url, endpoint, region, storageClass] = FIELDS.map((name) => fields.get(name))
  if (url === undefined) throw new ShoalError('malformed', 'it has no url')
  return {
    url,
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(storageClass !== undefined && { storageClass }),
  }
}

/** Shards that stay with peers. */
export function floorOf(keep: Keep, { k, m }: Code): number {
  return { none: 0, copies1: k, all: k + m }[keep]
}
