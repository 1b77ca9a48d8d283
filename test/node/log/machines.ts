// Replicas with all that takes up a log that forks: an inbox, and somebody who builds the state
// anew where that is needed.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { examine } from '../../../node/checkpoint/announcement.ts'
import { hearAttestation } from '../../../node/replica/attestations.ts'
import { CheckpointTransfer } from '../../../node/checkpoint/checkpoint-transfer.ts'
import { Checkpoints } from '../../../node/checkpoint/checkpoints.ts'
import { agrees, confirmOwn, heldBy, summaryOf } from '../../../node/log/log-summary.ts'
import { SerialQueue } from '../../../node/jobs/serial-queue.ts'
import { Inbox } from '../../../node/log/inbox.ts'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { BRANCHES_MAX } from '../../../protocol/limits.ts'
import { decodeAttestation } from '../../../protocol/log/attestation.ts'
import { decodeEntry } from '../../../protocol/log/entry.ts'
import { CHECKPOINT_PROTOCOL } from '../../../protocol/wire/checkpoint.ts'
import { decodeLogMessage, encodeLogMessage } from '../../../protocol/wire/log.ts'
import { logDigest } from '../../../protocol/wire/gossip.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { channelPair, networkOf } from './wires.ts'
import { exchange } from './replicas.ts'
import type { Replica } from './replicas.ts'
import type { Checkpoint, FetchedCheckpoint } from '../../../node/replica/kept-checkpoint.ts'
import type { Channel } from '../../../node/world/world.ts'
import type { Volume } from '../../../node/log/volume.ts'
import type { LogSummary } from '../../../protocol/wire/log.ts'

/** Answers on a channel. */
type Serve = (channel: Channel) => Promise<void>

export class Machine {
  readonly replica: Replica
  readonly inbox: Inbox
  readonly checkpoints: Checkpoints
  /** The log lines on checkpoints. */
  readonly notes: string[] = []
  /** Why entries were refused. */
  readonly refused: string[] = []
  /** It asked for the checkpoint of another. */
  isBehind = false
  readonly #due: { entries: number; everyMs: number; turnMs?: number }

  /** takesTurns: it leaves checkpoints to those whose turn it is. */
  constructor(replica: Replica, { takesTurns = false }: { takesTurns?: boolean } = {}) {
    this.replica = replica
    const often = { entries: Infinity, everyMs: Infinity }
    this.#due = takesTurns ? often : { ...often, turnMs: 0 }
    const { volume } = replica
    const clock = instant(replica.clock)
    const world = {
      clock,
      random: new SeededRandom(replica.seed, 'checkpoints'),
      network: networkOf(replica.identity.peer, {}),
    }
    this.inbox = new Inbox({ volume, clock })
    const log = (message: string, fields: object): number =>
      this.notes.push(message + JSON.stringify(fields))
    volume.events.security.add(({ message }) => void this.notes.push(message))
    const onBehind = (): void => void (this.isBehind = true)
    const onAttested = (): undefined => undefined
    const queue = new SerialQueue()
    this.checkpoints = new Checkpoints(
      { world, volume, queue, onNew: () => undefined, onAttested, onBehind, log },
      this.#due,
    )
    this.checkpoints.start()
  }

  get volume(): Volume {
    return this.replica.volume
  }

  /** Make a checkpoint now if there is anything new and stable. */
  async makeCheckpoint(): Promise<void> {
    this.#due.entries = 1
    await this.checkpoints.look()
    this.#due.entries = Infinity
  }

  /** Wait until checkpoints that it heard of are made, and no state is being built anew. */
  async settled(): Promise<void> {
    await this.checkpoints.look()
    for (let turns = 0; this.volume.forks.areWaiting; turns++) {
      assert.ok(turns < 10_000, `a newcomer is taken: ${this.notes.join(' ')}`)
      await setImmediate()
    }
    await this.volume.commit()
  }

  async stop(): Promise<void> {
    await this.checkpoints.stop()
    this.inbox.stop()
    await this.volume.close()
  }

  /** The summary that it tells a peer, as the peer gets it. */
  hello(): LogSummary {
    const message = decodeLogMessage(
      encodeLogMessage({ kind: 'durable', log: summaryOf(this.volume) }),
    )
    if (message.kind !== 'durable') throw new Error('not what was sent')
    return message.log
  }

  /**
   * Take what a peer has and, by what it was told, is missing here.
   * returns whether all of it was there, and whether all had a place.
   */
  take(from: Machine, told: LogSummary): { isWhole: boolean; isWelcome: boolean } {
    const { entries } = from.volume
    if (!entries.canComplete(heldBy(from.volume, told))) return { isWhole: false, isWelcome: true }
    let isWelcome = true
    const missing = [...entries.between(heldBy(from.volume, told), from.volume.durableVector())]
    const wire = missing.map(({ label, entry: { header } }) =>
      decodeEntry(from.volume.entries.bytes(label, header.seq) ?? new Uint8Array()),
    )
    this.inbox.takeAll(wire, (error) => {
      if (error.code !== 'fork') this.refused.push(error.message)
      isWelcome = false
    })
    return { isWhole: true, isWelcome }
  }

  /** Start from the checkpoint of another. */
  async startFrom(from: Machine): Promise<void> {
    const { replica } = from
    const { peer } = replica.identity
    const serve = await checkpointServer(replica)
    try {
      const fetched = await fetchCheckpoint(this.replica, replica, serve, (found) =>
        examine(this.volume, found, { from: peer }),
      )
      await this.checkpoints.install(fetched)
    } catch (error) {
      // No need to; or too few attest it yet.
      if (!hasCode(error, 'EEXIST') && !hasCode(error, 'EACCES')) throw error
    }
  }
}

/** Two exchange all they have. */
export async function meet(a: Machine, b: Machine): Promise<void> {
  for (let [forks, rounds] = [-1, 0]; forks !== forksOf(a) + forksOf(b); rounds++) {
    assert.ok(rounds < 2 * BRANCHES_MAX, 'two are done after a while')
    forks = forksOf(a) + forksOf(b)
    await Promise.all([a.volume.commit(), b.volume.commit()])
    const [fromA, fromB] = [a.hello(), b.hello()]
    const [byA, byB] = [a.take(b, fromA), b.take(a, fromB)]
    await Promise.all([a.settled(), b.settled()])
    confirmOwn(a.volume, b.hello())
    confirmOwn(b.volume, a.hello())
    await tellAttestations([a, b])
    if (!byA.isWhole || !byB.isWelcome) await rejoin(a, b)
    if (!byB.isWhole || !byA.isWelcome) await rejoin(b, a)
    for (const [behind, other] of [[a, b] as const, [b, a] as const]) {
      if (!behind.isBehind) continue
      behind.isBehind = false
      await behind.startFrom(other)
      await behind.settled()
    }
  }
}

/** Brings back a machine after the other dropped from its log what `away` lacks or has. */
async function rejoin(away: Machine, other: Machine): Promise<void> {
  if (other.volume.checkpoint === undefined) return
  await away.startFrom(other)
  await away.settled()
}

/** All tell all what they know of who attests what, until nobody has anything new. */
export async function tellAttestations(all: readonly Machine[]): Promise<void> {
  for (let told = -1, before = -2; told !== before;) {
    before = told
    told = 0
    for (const from of all) {
      for (const to of all)
        for (const { bytes } of from.volume.attestations.all())
          hearAttestation(to.volume, decodeAttestation(bytes, to.volume.id))
      await from.settled()
      told += from.volume.attestations.all().length
    }
  }
}

/** A server of the checkpoint of a replica. */
export async function checkpointServer(from: Replica): Promise<Serve> {
  let serve: Serve = () => Promise.reject(new Error('not served'))
  const handle = async (_protocol: string, how: Serve): Promise<void> => void (serve = how)
  const server = new CheckpointTransfer({
    world: {
      clock: from.clock,
      network: networkOf(from.identity.peer, { handle }),
      random: new SeededRandom(from.seed, 'server'),
    },
    volumeOf: () => from.volume,
    roleOf: () => 'admin',
  })
  await server.start()
  return serve
}

/** Fetch the checkpoint of `from`, for which `serve` answers. */
export function fetchCheckpoint(
  to: Replica,
  from: Replica,
  serve: Serve,
  examine: (fetched: FetchedCheckpoint) => void = () => undefined,
): Promise<FetchedCheckpoint> {
  const open = async (): Promise<Channel> => {
    const [here, there] = channelPair(to.identity.peer, from.identity.peer, CHECKPOINT_PROTOCOL)
    serve(there).catch((error: Error) => there.abort(error))
    return here
  }
  const client = new CheckpointTransfer({
    world: {
      clock: to.clock,
      network: networkOf(to.identity.peer, { open }),
      random: new SeededRandom(to.seed, 'client'),
    },
    volumeOf: () => undefined,
    roleOf: () => 'admin',
  })
  return client.fetch(to.volume, from.identity.peer, examine)
}

/**
 * Let all exchange, say what they have, and `maker` make a checkpoint, which the others follow and
 * drop their logs.
 */
export async function checkpoint(
  maker: Machine,
  ...others: readonly Machine[]
): Promise<Checkpoint> {
  const all = [maker, ...others]
  for (const { replica } of all) await replica.volume.commit()
  await exchange(...all.map(({ replica }) => replica))
  beacons(all)
  await maker.makeCheckpoint()
  await exchange(...all.map(({ replica }) => replica))
  for (const { checkpoints } of all) await checkpoints.look()
  await tellAttestations(all)
  beacons(all)
  for (const { checkpoints } of all) await checkpoints.look()
  const made = maker.volume.checkpoint
  assert.ok(made !== undefined, maker.notes.join('\n'))
  return made
}

/** All meet all, until nothing is new. */
export async function meetAll(machines: readonly Machine[]): Promise<void> {
  for (let rounds = 0; rounds < 2 || new Set(machines.map(vectorOf)).size > 1; rounds++) {
    assert.ok(rounds < 9, machines.map(vectorOf).join('\n'))
    for (const [index, a] of machines.entries())
      for (const b of machines.slice(index + 1)) await meet(a, b)
  }
}

function vectorOf({ volume }: Machine): string {
  return [...volume.actors.vector()]
    .map((pair) => pair.join(':'))
    .sort()
    .join(' ')
}

/** All hear the beacons of all. */
export function beacons(all: readonly Machine[]): void {
  for (const { replica: from } of all) {
    from.clock.advance(1000)
    const { vector, hlc } = from.volume.durableClaim()
    const cut = from.volume.checkpoint?.hlc ?? HLC_ZERO
    const root = from.volume.checkpoint?.clear
    const sentMs = from.clock.wall()
    const { peer } = from.identity
    const digest = logDigest(vector, from.volume.replica.ancestry.hashAt)
    const said = { peer, sentMs, vector, digest, hlc, cut, root, freeBytes: 0, addresses: [] }
    for (const { replica: to } of all) {
      const { checkpoint, beacons: claims } = to.volume
      const heard = agrees(to.volume, said) === true ? said : { ...said, vector: new Map() }
      if (to !== from) claims.hear(heard, checkpoint, to.clock.wall())
    }
  }
}

function forksOf({ volume }: Machine): number {
  return volume.branches.forks().reduce((count, { branches }) => count + branches.length, 0)
}

/** All have one state, of which nobody noted or refused anything. */
export async function assertSame(machines: readonly Machine[]): Promise<void> {
  const [first = assert.fail(), ...others] = machines
  const state = await linesOf(first)
  for (const [index, other] of others.entries()) {
    const different = [...state.symmetricDifference(await linesOf(other))]
    assert.deepEqual(different.sort().slice(0, 9), [], `machine ${index + 1} has it as the first`)
  }
  for (const { notes, refused } of machines) assert.deepEqual([...notes, ...refused], [])
}

async function linesOf({ replica }: Machine): Promise<Set<string>> {
  return new Set((await replica.state()).split('\n'))
}
