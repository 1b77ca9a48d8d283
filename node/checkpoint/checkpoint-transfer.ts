// Checkpoints between members, over /shoal/checkpoint/1: who lacks what others have dropped from
// the log fetches the newest checkpoint of one of them. A node is stored when all below it are, so
// what is here is whole: a fetch that was broken off goes on where it was, and of a checkpoint near
// one's own only the difference travels.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { levelOf } from '../../protocol/prolly/node.ts'
import { childrenOf, nodeHash } from '../../protocol/prolly/prolly.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { mayRead } from '../../protocol/roles.ts'
import type { Role } from '../../protocol/roles.ts'
import {
  CHECKPOINT_PROTOCOL,
  CHECKPOINT_REQUEST_MAX,
  NODES_AT_ONCE_MAX,
  NODES_BYTES,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../protocol/wire/checkpoint.ts'
import type { CheckpointMessage } from '../../protocol/wire/checkpoint.ts'
import type { Channel, World } from '../world/world.ts'
import { readFetched } from './announcement.ts'
import { readAnnouncement } from '../replica/kept-checkpoint.ts'
import type { FetchedCheckpoint } from '../replica/kept-checkpoint.ts'
import { PARTS, TreeNodes } from '../state/checkpoint-view.ts'
import type { Part } from '../state/checkpoint-view.ts'
import { treeKeys } from '../log/volume-trees.ts'
import type { Volume } from '../log/volume.ts'

/** No answer for this long ends a transfer, in ms. */
const IDLE_MS = 30_000
/**
 * Governing entries that a peer may send again: it knows only the newest of those that are here.
 */
const KNOWN_MAX = 65_536

export interface TransferComponents {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  readonly volumeOf: (id: VolumeId) => Volume | undefined
  /** As which a peer may ask; undefined: it is no member. */
  readonly roleOf: (volume: Volume, peer: PeerId) => Role | undefined
}

/** The bytes that are taken yet. */
export interface FetchRoom {
  bytes: number
}

interface Fetching {
  readonly channel: Channel
  readonly volume: Volume
  readonly part: Part
  readonly level?: number
  /** Undefined where what is fetched is attested. */
  readonly room?: FetchRoom
}

export class CheckpointTransfer {
  readonly #c: TransferComponents
  readonly #stop = new AbortController()

  constructor(components: TransferComponents) {
    this.#c = components
  }

  async start(): Promise<void> {
    const serve = (channel: Channel): Promise<void> => this.#serve(channel)
    const frames = { frameMax: CHECKPOINT_REQUEST_MAX }
    await this.#c.world.network.handle(CHECKPOINT_PROTOCOL, serve, frames)
  }

  stop(): void {
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
  }

  /**
   * Fetch the newest checkpoint of a peer; its nodes are durable here when this resolves. examine:
   * is told what it is, and throws if it is not to be fetched.
   * throws ShoalError 'unreachable', 'timeout', 'unsupported' (it has none), 'corrupt' (it sent
   * something else).
   */
  async fetch(
    volume: Volume,
    peer: PeerId,
    examine: (fetched: FetchedCheckpoint) => void,
  ): Promise<FetchedCheckpoint> {
    const { clock, network } = this.#c.world
    const signal = clock.timeout(IDLE_MS, this.#stop.signal)
    const channel = await network.open(peer, CHECKPOINT_PROTOCOL, { signal })
    const { membership } = volume
    try {
      const governed = membership.governance.headsIn(() => true)
      await this.#send(channel, { kind: 'get', volume: volume.id, governed })
      const { announcement, attestations } = await this.#learnGoverning(channel, volume)
      const found = readFetched(volume.id, announcement, attestations)
      examine(found)
      const fetched = membership.isKeeper() ? { ...found, sealed: undefined } : found
      for (const part of PARTS) {
        const root = fetched[part]
        if (root !== undefined) await this.#fetchAll([root], { channel, volume, part })
      }
      await volume.commit()
      await channel.close()
      return fetched
    } catch (error) {
      channel.abort(asShoalError(error))
      throw error
    }
  }

  /**
   * Fetch what is missing here of the sealed tree of a snapshot; it is durable when this resolves.
   * room: the bytes that it may have, of which each node takes its own.
   * throws as fetch(), and 'EFBIG'.
   */
  async fetchTree(volume: Volume, peer: PeerId, root: NodeHash, room: FetchRoom): Promise<void> {
    const { clock, network } = this.#c.world
    const signal = clock.timeout(IDLE_MS, this.#stop.signal)
    const channel = await network.open(peer, CHECKPOINT_PROTOCOL, { signal })
    try {
      await this.#send(channel, { kind: 'open', volume: volume.id })
      await this.#fetchAll([root], { channel, volume, part: 'sealed', room })
      await volume.commit()
      await channel.close()
    } catch (error) {
      channel.abort(asShoalError(error))
      throw error
    }
  }

  /**
   * Take the governing entries that the peer knows and this node does not, up to the checkpoint
   * that it has.
   */
  async #learnGoverning(
    channel: Channel,
    { membership, events }: Volume,
  ): Promise<Extract<CheckpointMessage, { kind: 'checkpoint' }>> {
    const { version } = membership.governance
    for (let known = 0; ;) {
      const message = await this.#receive(channel)
      if (message?.kind === 'checkpoint') {
        if (membership.governance.version !== version) events.members.tell()
        return message
      }
      if (message?.kind !== 'governing') throw unexpected(channel, message, 'checkpoint')
      for (const entry of message.entries) {
        if (membership.governance.missingOf(entry) !== undefined || known > KNOWN_MAX)
          throw new ShoalError(
            'malformed',
            `${channel.peer} sent governing entries that do not fit`,
          )
        if (!membership.take(entry)) known++
      }
    }
  }

  /**
   * Fetch what is missing of these trees, of nodes of one `level`. cost: memory O(depth *
   * NODES_AT_ONCE_MAX nodes).
   */
  async #fetchAll(roots: readonly NodeHash[], fetching: Fetching): Promise<void> {
    const { channel, volume, part, level, room } = fetching
    const nodes = new TreeNodes(volume.view, part)
    const key = treeKeys(volume)[part]
    let wanted = roots.filter((id) => nodes.get(id) === undefined)
    while (wanted.length > 0) {
      const isOne = this.#c.world.random.unlucky('checkpoint.one-node-a-request')
      const ids = wanted.slice(0, isOne ? 1 : NODES_AT_ONCE_MAX)
      await this.#send(channel, { kind: 'want', sealed: part === 'sealed', ids })
      const answer = await this.#expect(channel, 'nodes')
      const got = answer.nodes.slice(0, ids.length).map((bytes, index) => {
        const id = ids[index]
        if (bytes === undefined || id === undefined)
          throw new ShoalError('unreachable', `${channel.peer} has a newer checkpoint by now`)
        if (nodeHash(key, bytes) !== id)
          throw new ShoalError('corrupt', `${channel.peer} sent a checkpoint that is damaged`)
        return { id, bytes }
      })
      if (got.length === 0)
        throw new ShoalError('malformed', `${channel.peer} answered without a node`)
      for (const { id, bytes } of got) {
        if (room !== undefined && (room.bytes -= bytes.byteLength) < 0)
          throw new ShoalError('EFBIG', `${channel.peer} has more of a tree than is taken`)
        const children = childrenOf(bytes)
        // Or a chain of nodes could be as deep as somebody likes.
        if (level !== undefined && levelOf(bytes) !== level)
          throw new ShoalError('corrupt', `${channel.peer} sent nodes that are no tree`)
        await this.#fetchAll(children, { ...fetching, level: levelOf(bytes) - 1 })
        nodes.put(id, bytes)
      }
      await volume.makeRoom()
      wanted = wanted.slice(got.length)
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const asked = await this.#receive(channel)
    if (asked?.kind !== 'get' && asked?.kind !== 'open') throw unexpected(channel, asked, 'get')
    const volume = this.#c.volumeOf(asked.volume)
    const role = volume && this.#c.roleOf(volume, channel.peer)
    if (volume === undefined || role === undefined)
      return this.#refuse(channel, 'not-a-member', 'you are not a member of this volume')
    if (asked.kind === 'open') return this.#serveNodes(channel, volume, mayRead(role))
    const { checkpoint, cuts, attestations } = volume
    const reads = mayRead(role)
    const announcement = readAnnouncement(volume.view)
    const isCounted = checkpoint !== undefined && cuts.placeOf(checkpoint) >= 0
    const isKept = this.#c.world.random.unlucky('checkpoint.refused')
    const isOfOthers = reads && volume.membership.isKeeper()
    if (announcement === undefined || !isCounted || isOfOthers || isKept)
      return this.#refuse(channel, 'unsupported', 'this node has no checkpoint for you')
    for (const entries of governingBeyond(volume, asked.governed))
      await this.#send(channel, { kind: 'governing', entries })
    const shown = attestations.of(announcement.hash).map(({ bytes }) => bytes)
    await this.#send(channel, { kind: 'checkpoint', announcement, attestations: shown })
    await this.#serveNodes(channel, volume, reads)
  }

  async #serveNodes(channel: Channel, volume: Volume, reads: boolean): Promise<void> {
    for (;;) {
      const message = await this.#receive(channel)
      if (message === undefined) return
      if (message.kind !== 'want')
        throw new ShoalError('malformed', `unexpected "${message.kind}" in a transfer`)
      if (this.#c.roleOf(volume, channel.peer) === undefined || (message.sealed && !reads))
        throw new ShoalError('not-a-member', `${channel.peer} may not read the tree`)
      const nodes = new TreeNodes(volume.view, message.sealed ? 'sealed' : 'clear')
      await this.#send(channel, { kind: 'nodes', nodes: readNodes(nodes, message.ids) })
    }
  }

  async #refuse(
    channel: Channel,
    code: 'not-a-member' | 'unsupported',
    message: string,
  ): Promise<void> {
    await this.#send(channel, { kind: 'error', code, message })
    await channel.close()
  }

  async #send(channel: Channel, message: CheckpointMessage): Promise<void> {
    const signal = this.#c.world.clock.timeout(IDLE_MS, this.#stop.signal)
    await channel.send([encodeCheckpointMessage(message)], { signal })
  }

  /** undefined when the peer has closed. */
  async #receive(channel: Channel): Promise<CheckpointMessage | undefined> {
    const signal = this.#c.world.clock.timeout(IDLE_MS, this.#stop.signal)
    const frame = await channel.receive({ signal })
    if (frame === undefined) return undefined
    const message = decodeCheckpointMessage(frame)
    if (message.kind === 'error')
      throw new ShoalError(message.code, `${channel.peer}: ${message.message}`)
    return message
  }

  async #expect<Kind extends CheckpointMessage['kind']>(
    channel: Channel,
    kind: Kind,
  ): Promise<Extract<CheckpointMessage, { kind: Kind }>> {
    const message = await this.#receive(channel)
    if (message?.kind === kind) return message as Extract<CheckpointMessage, { kind: Kind }>
    throw unexpected(channel, message, kind)
  }
}

function unexpected(
  { peer }: Channel,
  message: CheckpointMessage | undefined,
  due: CheckpointMessage['kind'],
): ShoalError {
  return message === undefined
    ? new ShoalError('unreachable', `${peer} ended a transfer early`)
    : new ShoalError('malformed', `${peer} sent "${message.kind}", not "${due}"`)
}

/** Governing entries that a peer does not know, as many at a time as fit. */
function* governingBeyond(
  { membership }: Volume,
  governed: readonly EntryHash[],
): Generator<readonly Entry[]> {
  let entries: Entry[] = []
  let bytes = 0
  for (const entry of membership.governance.beyond(governed)) {
    entries.push(entry)
    bytes += entry.headerBytes.byteLength + entry.body.byteLength
    if (bytes <= NODES_BYTES) continue
    yield entries
    entries = []
    bytes = 0
  }
  if (entries.length > 0) yield entries
}

/** As many as an answer holds. */
function readNodes(nodes: TreeNodes, ids: readonly NodeHash[]): (Uint8Array | undefined)[] {
  const found: (Uint8Array | undefined)[] = []
  let bytes = 0
  for (const id of ids) {
    const node = nodes.get(id)
    bytes += node?.byteLength ?? 0
    found.push(node)
    if (bytes > NODES_BYTES) break
  }
  return found
}
