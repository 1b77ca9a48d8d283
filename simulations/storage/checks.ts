// The checks of a swarm in which nothing has happened for a while: every promise is whole, where it
// should be, and can be read; the map, all its replicas and the disks agree.
import { ChunkFetcher } from '../../node/stripes/chunk-fetcher.ts'
import { ShardClient } from '../../node/peers/shards.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { CheckError } from '../check-error.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Host } from './host.ts'
import type { Swarm } from './swarm.ts'

/** Undefined when all is as it should be: else what is not yet. */
export function unsettled(swarm: Swarm): string | undefined {
  return missingShards(swarm) ?? differentReplicas(swarm) ?? wrongDisks(swarm) ?? leftovers(swarm)
}

/**
 * No more in one zone than may be lost with it, and never two shards on one machine. throws
 * CheckError.
 */
export function checkPlacement(swarm: Swarm): void {
  const { truth, class: cls } = swarm
  const perZoneMax = cls.kind === 'rs' ? cls.m : 1
  const [host] = swarm.members()
  for (const stripe of truth.promised()) {
    const holders = holdersOf(host, stripe).flat()
    if (new Set(holders).size < holders.length) fail(stripe, 'two shards on one machine')
    const zones = Map.groupBy(holders, (peer) => swarm.hostOf(peer)?.zone ?? peer)
    for (const [zone, peers] of zones)
      if (peers.length > perZoneMax) fail(stripe, `${peers.length} shards in zone ${zone}`)
  }
  function fail(stripe: StripeId, what: string): never {
    throw new CheckError('placement limits hold once quiet', `${stripe}: ${what}`)
  }
}

/** Every chunk of every promised stripe is read through the real fetcher. throws CheckError. */
export async function checkReadable(swarm: Swarm): Promise<void> {
  const { truth, random, volume } = swarm
  for (const stripe of truth.promised()) {
    const { node, machine, table } = random.pick(swarm.members().filter(({ node }) => node))
    if (node === undefined) continue
    const header = table.stripe(stripe)?.header
    const { network, clock } = machine.world
    const client = new ShardClient(machine.world, { volume })
    const { store, map } = node
    const isOnline = (peer: PeerId): boolean => network.peers().includes(peer)
    const onBadShard = (): void => undefined
    const fetcher = new ChunkFetcher({
      store,
      map,
      client,
      network,
      clock,
      random: machine.world.random,
      volume,
      isOnline,
      onBadShard,
    })
    for (const { id } of header?.chunks ?? [])
      await fetcher.fetch(id, { hints: [], signal: clock.timeout(10 * MINUTE_MS) })
    client.close()
  }
}

function missingShards({ truth }: Swarm): string | undefined {
  for (const stripe of truth.promised())
    if (truth.missing(stripe).length > 0) return `is not full: ${truth.tell(stripe)}`
  return undefined
}

function differentReplicas(swarm: Swarm): string | undefined {
  const [first, ...others] = swarm.members()
  if (first === undefined) return 'nobody runs'
  const wanted = describeMap(swarm, first)
  const other = others.find((host) => describeMap(swarm, host) !== wanted)
  return other === undefined ? undefined : `${other.name} and ${first.name} know different maps`
}

function describeMap({ truth }: Swarm, { table }: Host): string {
  return truth
    .promised()
    .map((id) => `${id} ${(table.stripe(id)?.holders ?? []).join(' ')}`)
    .join('\n')
}

/**
 * Each machine has just what the map ascribes to it, and what may be all that is left of a stripe
 * that is lost.
 */
function wrongDisks(swarm: Swarm): string | undefined {
  const { truth } = swarm
  const [knowing] = swarm.members()
  for (const { peer, name } of swarm.members()) {
    for (const [stripe, index] of truth.shardsOf(peer)) {
      if (truth.isLost(stripe)) continue
      const mapped = knowing?.table.stripe(stripe)
      if (mapped?.holders[index]?.includes(peer) !== true)
        return `${name} has shard ${index} of ${stripe}, which is not its own`
    }
  }
  for (const stripe of truth.promised()) {
    for (const [index, peers] of holdersOf(knowing, stripe).entries()) {
      if (peers.length > 1) return `shard ${index} of ${stripe} is held by ${peers.join(' and ')}`
      const liar = peers.find((peer) => !truth.holders(stripe, index).has(peer))
      if (liar !== undefined) return `${liar} does not have shard ${index} of ${stripe}`
    }
  }
  return undefined
}

/** Members that hold each shard, as the map of a host says. */
function holdersOf(host: Host | undefined, stripe: StripeId): readonly (readonly PeerId[])[] {
  const { holders = [] } = host?.table.stripe(stripe) ?? {}
  return holders.map((peers) => peers.filter((peer) => host?.table.member(peer) !== undefined))
}

/** No stripe stays that no file needs. */
function leftovers({ everything }: Swarm): string | undefined {
  const left = everything
    .stripes()
    .find((id) => everything.stripe(id)?.isSwept === false && !everything.isNeeded(id))
  return left === undefined ? undefined : `${left} is needed by no file and still there`
}
