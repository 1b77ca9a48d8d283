// The owner's calls about cold tiers.
import { ShoalError } from '../../protocol/errors.ts'
import { formatTierLocation, parseTierLocation } from '../../protocol/cold/location.ts'
import { packsPrefix } from '../../protocol/cold/pack.ts'
import { mayAdminister } from '../../protocol/membership/roles.ts'
import type { TierLocation } from '../../protocol/cold/location.ts'
import type { NodeId, PeerId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ColdApi, Tier, TierStatus } from '../control/cold.ts'
import type { StripeGroup } from '../data/stripe-map.ts'
import type { HostedVolume } from '../files/hosted-volume.ts'
import { pathOf } from '../files/paths.ts'
import { pinsOver } from '../namespace/pins.ts'
import { coldTierOf } from '../namespace/settings.ts'
import { stripesBelow } from '../tier/stripes-below.ts'
import type { NodeParts } from './parts.ts'
import { reasonOf } from './reason.ts'

const RATE_MIN = 1000

export function coldApi(parts: NodeParts): ColdApi {
  const { world, hosted: volumes, volumes: named, cold, until } = parts
  const hostedOf = (volume: string | undefined): HostedVolume => volumes.of(named.find(volume))
  return {
    async addTier({ name, url, volume, bytesPerSecond, ...options }, { signal } = {}) {
      const hosted = volumes.of(await volumes.findOrCreate(volume))
      if (!hosted.tiers.names().includes(name)) checkMayAdminister(hosted)
      if (bytesPerSecond !== undefined && bytesPerSecond < RATE_MIN)
        throw new ShoalError('usage', 'the limit must be at least 1KB, for each second')
      const given = Object.entries(options).filter(([, value]) => value !== undefined)
      const location = parseTierLocation(url, Object.fromEntries(given))
      await hosted.tiers.add(name, location, bytesPerSecond, until(signal))
      return describe(name, location)
    },

    async listTiers({ volume, signal } = {}) {
      const hosted = hostedOf(volume)
      hosted.checkMayRead()
      const ended = until(signal)
      return Promise.all(hosted.tiers.names().map((name) => statusOf(parts, hosted, name, ended)))
    },

    async removeTier(name, { volume, signal } = {}) {
      const hosted = hostedOf(volume)
      checkMayAdminister(hosted)
      hosted.tiers.locationOf(name)
      const only = sum(groupsIn(hosted, name).filter((one) => isOnly(parts, one)))
      if (only > 0) {
        throw new ShoalError(
          'not-placed',
          `${only} stripes lie in ${name} and nowhere else that can be reached now: remove pins to it (shoal pin ls), then bring them back with shoal cold recall /`,
        )
      }
      await cold.of(hosted).leave(name, until(signal))
    },

    async *pushCold(path, { tier, signal } = {}) {
      const { hosted, parts: names } = await volumes.atForWriting(path)
      const ended = until(signal)
      const target = hosted.namespace.resolvePath(names)
      const into = tier ?? onlyTier(hosted)
      await hosted.acknowledge('local', ended)
      const stripes = await stripesBelow(hosted, target, { clock: world.clock, signal: ended })
      for await (const progress of cold.of(hosted).push(into, stripes, ended)) yield [progress]
    },

    async *recallCold(path, { signal } = {}) {
      const { hosted, parts: names } = await volumes.atForWriting(path)
      const ended = until(signal)
      const target = hosted.namespace.resolvePath(names)
      checkNotPinned(hosted, target.id)
      const { view } = hosted.volume
      const stripes = await stripesBelow(hosted, target, {
        clock: world.clock,
        signal: ended,
        isLeftOut: (file) => pinsOver(view, file, 'pin-cold').length > 0,
      })
      for await (const progress of cold.of(hosted).recall(stripes, ended)) yield [progress]
    },
  }
}

function checkMayAdminister({ volume }: HostedVolume): void {
  const role = volume.membership.member(volume.identity.peer)?.role
  if (role === undefined || mayAdminister(role)) return
  throw new ShoalError('EPERM', `this node is a ${role} of the volume: its tiers are for an admin`)
}

/** throws ShoalError 'usage' for what is to lie in a tier. */
function checkNotPinned({ namespace, volume: { view } }: HostedVolume, id: NodeId): void {
  const [pin] = pinsOver(view, id, 'pin-cold')
  if (pin === undefined) return
  const path = pathOf(namespace, pin.id) ?? ''
  throw new ShoalError('usage', `it is pinned to cold tier ${pin.to}: shoal pin rm ${path} first`)
}

/** throws ShoalError 'usage' where it is not plain which tier is meant. */
function onlyTier({ tiers, volume }: HostedVolume): string {
  const names = tiers.names()
  const [first, ...others] = names
  const set = coldTierOf(volume)
  if (set !== undefined) return set
  if (first !== undefined && others.length === 0) return first
  throw new ShoalError(
    'usage',
    first === undefined
      ? 'the volume has no cold tier: shoal cold add NAME URL makes one'
      : `say which tier with --tier: ${names.join(', ')}`,
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
  const location = hosted.tiers.locationOf(name)
  const cold = parts.cold.of(hosted)
  const failure = reasonOf(cold.failureOf(name))
  const moving = cold.movingTo(name)
  const seen = await look(hosted, name, signal).catch((error: unknown) => {
    signal.throwIfAborted()
    return reasonOf(error)
  })
  return { ...describe(name, location), ...counted, moving, ...failure, ...seen }
}

/** What the tier says of its objects. cost: a request for each thousand. */
async function look(
  { tiers, volume }: HostedVolume,
  name: string,
  signal: AbortSignal,
): Promise<Pick<TierStatus, 'objects' | 'bytes' | 'classes' | 'oldestMs' | 'newestMs'>> {
  let objects = 0
  let bytes = 0
  const classes: Record<string, number> = {}
  let [oldest, newest] = [Infinity, -Infinity]
  for await (const object of tiers.open(name).list(packsPrefix(volume.id), { signal })) {
    objects++
    bytes += object.bytes
    classes[object.storageClass] = (classes[object.storageClass] ?? 0) + object.bytes
    oldest = Math.min(oldest, object.modifiedMs)
    newest = Math.max(newest, object.modifiedMs)
  }
  const times = { oldestMs: oldest as WallTime, newestMs: newest as WallTime }
  return { objects, bytes, classes, ...(objects === 0 ? {} : times) }
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
