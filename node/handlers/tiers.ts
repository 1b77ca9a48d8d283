// The owner's calls about which cold tiers a volume has, where they are, and what lies there.
import { ShoalError } from '../../protocol/errors.ts'
import { formatTierLocation, parseTierLocation } from '../../protocol/cold/location.ts'
import { packsPrefix } from '../../protocol/cold/pack.ts'
import { aRole, mayAdminister } from '../../protocol/roles.ts'
import type { TierLocation } from '../../protocol/cold/location.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ColdApi, Tier, TierRequest, TierStatus } from '../control/cold.ts'
import type { StripeGroup } from '../shard-map/stripe-map.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { OwnAccess } from '../volume/volume-tiers.ts'
import type { NodeParts } from './parts.ts'
import { reasonOf } from './describe.ts'

const RATE_MIN = 1000

type Tiers = Pick<
  ColdApi,
  'addTier' | 'trustTier' | 'distrustTier' | 'listTiers' | 'removeTier' | 'rollBackTier'
>

export function tiersApi(parts: NodeParts): Tiers {
  const { hosted: volumes, volumes: named, cold, until } = parts
  const hostedOf = (volume: string | undefined): HostedVolume => volumes.of(named.find(volume))
  return {
    async addTier({ volume, ...request }, { signal } = {}) {
      const { name, location, own } = parseRequest(request)
      const hosted = volumes.of(await volumes.findOrCreate(volume))
      if (!hosted.tiers.names().includes(name)) checkMayAdminister(hosted)
      await hosted.tiers.add(name, location, own, until(signal))
      return describe(name, location)
    },

    async listTiers({ volume, signal } = {}) {
      const hosted = hostedOf(volume)
      hosted.checkMayRead()
      const ended = until(signal)
      return Promise.all(hosted.tiers.names().map((name) => statusOf(parts, hosted, name, ended)))
    },

    async trustTier({ volume, ...request }, how = {}) {
      const { name, location, own } = parseRequest(request)
      const hosted = hostedOf(volume)
      hosted.checkMayRead()
      await hosted.tiers.agree(name, location, own)
      return statusOf(parts, hosted, name, until(how.signal))
    },

    async distrustTier(name, { volume } = {}) {
      const hosted = hostedOf(volume)
      checkIsTier(hosted, name)
      await hosted.tiers.disagree(name)
    },

    async rollBackTier(name, toMs, { volume, signal } = {}) {
      const hosted = hostedOf(volume)
      checkIsTier(hosted, name)
      return hosted.tiers.open(name).rollBack(toMs, { signal: until(signal) })
    },

    async removeTier(name, { volume, signal } = {}) {
      const hosted = hostedOf(volume)
      checkMayAdminister(hosted)
      checkIsTier(hosted, name)
      const only = sum(groupsIn(hosted, name).filter((one) => isOnly(parts, one)))
      if (only > 0) {
        throw new ShoalError(
          'not-placed',
          `${only} stripes are stored only in ${name}; ` +
            'remove pins to it ("shoal pin ls"), then move them back with "shoal cold recall /"',
        )
      }
      const removed = { ...placeOf(hosted, name), stripes: sum(groupsIn(hosted, name)) }
      await cold.of(hosted).leave(name, until(signal))
      return removed
    },
  }
}

/** The options that are defined. */
export function definedOf<Options extends object>(options: Options): Defined<Options> {
  const said = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(said) as Defined<Options>
}

type Defined<Options> = { [Key in keyof Options]: Exclude<Options[Key], undefined> }

function parseRequest({ name, url, accessKey, profile, bytesPerSecond, ...options }: TierRequest): {
  readonly name: string
  readonly location: TierLocation
  readonly own: OwnAccess
} {
  checkLimit(bytesPerSecond)
  const own = { accessKey, profile, bytesPerSecond }
  return { name, location: parseTierLocation(url, definedOf(options)), own }
}

function checkLimit(bytesPerSecond: number | undefined): void {
  if (bytesPerSecond === undefined || bytesPerSecond >= RATE_MIN) return
  throw new ShoalError('usage', 'the limit must be at least 1KB per second')
}

function checkIsTier({ tiers }: HostedVolume, name: string): void {
  if (tiers.names().includes(name)) return
  throw new ShoalError('ENOENT', `the volume has no cold tier ${name}; see "shoal cold ls"`)
}

function checkMayAdminister({ volume }: HostedVolume): void {
  const role = volume.membership.member(volume.identity.peer)?.role
  if (role === undefined || mayAdminister(role)) return
  throw new ShoalError(
    'EPERM',
    `this node is ${aRole(role)} of the volume; only an admin can change its tiers`,
  )
}

async function statusOf(
  parts: NodeParts,
  hosted: HostedVolume,
  name: string,
  signal: AbortSignal,
): Promise<TierStatus> {
  const groups = groupsIn(hosted, name)
  const counted = {
    stripes: sum(groups),
    only: sum(groups.filter((one) => isOnly(parts, one))),
  }
  const cold = parts.cold.of(hosted)
  const isAgreed = hosted.tiers.isAgreed(name)
  const failure = reasonOf(cold.failureOf(name))
  const moving = cold.movingTo(name)
  const verified = cold.verified.get(name)
  const seen = await look(hosted, name, signal).catch((error: unknown) => {
    signal.throwIfAborted()
    return reasonOf(error)
  })
  return { ...placeOf(hosted, name), isAgreed, ...counted, moving, verified, ...failure, ...seen }
}

/** The place of a tier; nothing of one whose definition cannot be read. */
function placeOf({ tiers }: HostedVolume, name: string): Tier {
  try {
    return describe(name, tiers.locationOf(name))
  } catch {
    return { name, url: '' } // look() says why
  }
}

/** Counts the objects of a tier. cost: a request for each thousand. */
async function look(
  { tiers, volume }: HostedVolume,
  name: string,
  signal: AbortSignal,
): Promise<Pick<TierStatus, 'objects' | 'bytes' | 'classes' | 'oldestMs' | 'newestMs'>> {
  let objects = 0
  let bytes = 0
  const classes = new Map<string, number>()
  let [oldest, newest] = [Infinity, -Infinity]
  for await (const object of tiers.open(name).list(packsPrefix(volume.id), { signal })) {
    objects++
    bytes += object.bytes
    const { storageClass } = object
    classes.set(storageClass, (classes.get(storageClass) ?? 0) + object.bytes)
    oldest = Math.min(oldest, object.modifiedMs)
    newest = Math.max(newest, object.modifiedMs)
  }
  const times = { oldestMs: oldest as WallTime, newestMs: newest as WallTime }
  return { objects, bytes, classes: Object.fromEntries(classes), ...(objects === 0 ? {} : times) }
}

function describe(name: string, location: TierLocation): Tier {
  const { endpoint, region, storageClass } = location.kind === 's3' ? location : {}
  return { name, url: formatTierLocation(location), endpoint, region, storageClass }
}

function groupsIn({ map }: HostedVolume, tier: string): readonly StripeGroup[] {
  return map.groups().filter(({ tiers, isCondemned }) => tiers.includes(tier) && !isCondemned)
}

/** Could peers that can be reached now not give its stripes, and no other tier either? */
function isOnly({ world: { network } }: NodeParts, { tiers, holders, k }: StripeGroup): boolean {
  const there = new Set<PeerId>([network.self, ...network.peers()])
  return tiers.length < 2 && holders.filter((peers) => peers.some((p) => there.has(p))).length < k
}

function sum(groups: readonly StripeGroup[]): number {
  return groups.reduce((total, { count }) => total + count, 0)
}
