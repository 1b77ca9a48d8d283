// A simulated holder of shards and peers that ask it, for the tests of the shard protocol. Its
// volume knows what a test tells it: members, who may store, stripes and their holders.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextHlc } from '../../../protocol/clock/hlc.ts'
import { equalBytes } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { CHUNK_PLAIN_MAX } from '../../../protocol/limits.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import { KIB, MIB, SECOND_MS, divCeil } from '../../../protocol/units.ts'
import { SHARD_PROTOCOL } from '../../../protocol/wire/shard.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { signReceipts } from '../../../protocol/stripe/receipt.ts'
import { ShardServer } from '../../../node/peers/shard-protocol-server.ts'
import { ShardClient } from '../../../node/peers/shards.ts'
import { Store } from '../../../node/store/store.ts'
import { SimulatedNetwork } from '../../../simulations/network.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { Machine } from '../../../simulations/world.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { WatchedDisk, chunkIdOf } from '../store/fixtures.ts'
import type { SignReceipts } from '../../../node/peers/shard-receipts.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { PeerId, StripeId, VolumeId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { ShardRange } from '../../../node/peers/shards.ts'
import type { Channel, Clock, Network, Random } from '../../../node/world/world.ts'

export const VOLUME: VolumeId = 'ab'.repeat(32) as VolumeId
const LIMIT_MS: number = 600 * SECOND_MS

/** A stripe of chunks of `length` bytes in all, that differ by `seed`. */
export function stripeOf(seed: number, length: number, k: number, m: number): CodedStripe {
  const whole = xorshiftBytes(seed, length)
  const chunks = Array.from({ length: divCeil(length, CHUNK_PLAIN_MAX) }, (_, i) => {
    const bytes = whole.subarray(i * CHUNK_PLAIN_MAX, (i + 1) * CHUNK_PLAIN_MAX)
    return { id: chunkIdOf(bytes), bytes }
  })
  return codeStripe(chunks, k, m)
}

/** The arguments to put one shard of a stripe. */
export function shardOf(
  { headerBytes, shards }: CodedStripe,
  index: number,
): { header: Uint8Array; index: number; shard: Uint8Array } {
  const shard = shards[index]
  if (shard === undefined) throw new RangeError(`no shard ${index}`)
  return { header: headerBytes, index, shard }
}

export const STRIPE: CodedStripe = stripeOf(1, 600 * KIB, 2, 1)
/** Its shard takes several frames. */
export const LARGE: CodedStripe = stripeOf(2, 3 * MIB + 100, 1, 0)

/** A peer that asks the holder. */
export interface Asker {
  readonly self: PeerId
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly client: ShardClient
  /** A channel of its own to the holder. */
  open(): Promise<Channel>
}

/** The node that holds shards. */
export interface Holder {
  readonly disk: WatchedDisk
  readonly store: Store
  readonly server: ShardServer
}

export class ShardSwarm {
  readonly scheduler: Scheduler
  readonly signal: AbortSignal = new AbortController().signal
  readonly members: Set<PeerId> = new Set()
  readonly allowed: Set<PeerId> = new Set()
  readonly stripes: Map<StripeId, { readonly holders: readonly (readonly PeerId[])[] }> = new Map()
  readonly kept: StripeId[] = []
  /** `<stripe> <index>` */
  readonly damaged: string[] = []
  readonly #network: SimulatedNetwork
  readonly #machine: Machine
  #holder: Holder | undefined

  private constructor(scheduler: Scheduler, network: SimulatedNetwork, machine: Machine) {
    this.scheduler = scheduler
    this.#network = network
    this.#machine = machine
  }

  /** Run `work` with a holder that serves, in virtual time. */
  static async run(seed: string, work: (swarm: ShardSwarm) => Promise<void>): Promise<void> {
    const scheduler = new Scheduler(seed)
    const network = new SimulatedNetwork(scheduler)
    const machine = new Machine({ scheduler, network }, { name: 'holder' })
    const swarm = new ShardSwarm(scheduler, network, machine)
    const scenario = async (): Promise<void> => {
      await swarm.#serve()
      await work(swarm)
    }
    await scheduler.finish(scenario(), LIMIT_MS)
  }

  get self(): PeerId {
    return this.#machine.identity.peer
  }

  get clock(): Clock {
    return this.#machine.world.clock
  }

  /** The holder that serves now. */
  get holder(): Holder {
    assert.ok(this.#holder !== undefined)
    return this.#holder
  }

  /** Let virtual time pass. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.scheduler.after(delayMs, 'test', resolve))
  }

  /** The holder loses power, and comes back with what was durable. */
  async crash(): Promise<void> {
    this.#machine.kill('power loss')
    await this.#machine.restart('power loss')
    await this.#serve()
  }

  /** A bit of what the holder has durable flips, so far into its newest segment. */
  async rot(position: number): Promise<void> {
    const name = (await this.#machine.disk.list('segments')).at(-1)
    assert.ok(this.#machine.disk.rot(`segments/${name}`, position) !== undefined)
  }

  /** A started peer, connected to the holder; `role` in the volume, if any. */
  async asker(name: string, role?: 'reader' | 'writer'): Promise<Asker> {
    const machine = new Machine({ scheduler: this.scheduler, network: this.#network }, { name })
    const { network, clock, random } = machine.world
    if (role !== undefined) this.members.add(network.self)
    if (role === 'writer') this.allowed.add(network.self)
    await network.start()
    await network.dial(this.#machine.world.network.addresses(), { signal: this.signal })
    return {
      self: network.self,
      network,
      clock,
      random,
      client: new ShardClient({ network, clock }, { volume: VOLUME }),
      open: () => network.open(this.self, SHARD_PROTOCOL, { signal: this.signal }),
    }
  }

  async #serve(): Promise<void> {
    const { network, clock } = this.#machine.world
    const disk = new WatchedDisk(this.#machine.disk)
    const store = await Store.open(
      { disk, clock, kv: this.#machine.kv },
      { reserveBytes: 0, segmentBytesMax: 64 * MIB },
    )
    const server = new ShardServer(
      { network, clock, store },
      {
        accessTo: (volume) => (volume === VOLUME ? this.#access : undefined),
        sign: (volume, shards) => {
          const hlc = nextHlc(0n as Hlc, clock.wall())
          return signReceipts(this.#machine.identity, { volume, hlc }, shards)
        },
        onKept: (_volume, stripe) => this.kept.push(stripe),
        onDamaged: (stripe, index) => this.damaged.push(`${stripe} ${index}`),
      },
    )
    await server.start()
    await network.start()
    this.#holder = { disk, store, server }
  }

  readonly #access = {
    isMember: (peer: PeerId): boolean => this.members.has(peer),
    mayStore: (peer: PeerId): boolean => this.allowed.has(peer),
    stripe: (id: StripeId): { readonly holders: readonly (readonly PeerId[])[] } | undefined =>
      this.stripes.get(id),
  }
}

/** A test with a holder that serves, in virtual time that its name seeds. */
export function scenario(name: string, work: (swarm: ShardSwarm) => Promise<void>): void {
  test(name, () => ShardSwarm.run(name, work))
}

/** For assert.rejects. */
export function failsWith(...codes: readonly ErrorCode[]): (error: unknown) => boolean {
  return (error) => codes.some((code) => hasCode(error, code))
}

/** All of a shard. */
export function whole({ id, header }: CodedStripe, index: number): ShardRange {
  return { stripe: id, index, offset: 0, length: header.shardBytes }
}

export function assertSame(actual: Uint8Array | undefined, expected: Uint8Array | undefined): void {
  assert.ok(actual !== undefined && expected !== undefined)
  assert.ok(equalBytes(actual, expected))
}

/** The holder still keeps and gives what `asker` asks. */
export async function assertServes(
  swarm: ShardSwarm,
  { client }: Asker,
  stripe: CodedStripe = STRIPE,
): Promise<void> {
  const { signal } = swarm
  await client.put(swarm.self, shardOf(stripe, 0), { signal })
  const { bytes } = await client.get(swarm.self, whole(stripe, 0), { proof: false, signal })
  assertSame(bytes, stripe.shards[0])
}

/** Receipts of a holder whose word nobody looks at. */
export const signAnything: SignReceipts = (volume, shards) =>
  signReceipts(identityFromSeed(new Uint8Array(32)), { volume, hlc: 0n as Hlc }, shards)
