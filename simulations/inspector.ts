// Looks into the stores of all nodes of a run while it goes on, and at its end: each holds a log
// and a tree without faults, whatever is under way; and those that hold equal logs hold equal
// trees.
import { decodeCbor } from '../protocol/cbor.ts'
import { hlcMillis } from '../protocol/clock/hlc.ts'
import { CLOCK_AHEAD_MS } from '../protocol/limits.ts'
import { MOVE_PREFIX } from '../protocol/tree/moves.ts'
import { prefixEnd } from '../node/state/state-view.ts'
import { checkSame } from './checkers.ts'
import { latestActorOf, readVolume } from './inspection.ts'
import { pastLines } from './past-check.ts'
import { checkTree } from './tree-check.ts'
import type { Cluster, ClusterNode } from './cluster.ts'
import type { StoredVolume } from './inspection.ts'
import type { SimulatedKv } from './kv.ts'
import type { LogWatch } from './log-watch.ts'
import type { TreeFacts } from './tree-check.ts'

/** Fields of the record of a move that had no effect (protocol/tree/moves.ts). */
const VOID_FIELDS = 3

interface Look {
  readonly node: ClusterNode
  readonly volume: StoredVolume
  /** Equal where the logs are. */
  readonly log: string
  readonly tree: TreeFacts
}

interface LastLook {
  readonly kv: SimulatedKv
  readonly writeCount: number
  readonly look: Look
}

export class Inspector {
  readonly log: LogWatch
  readonly #cluster: Cluster
  /** The last look at each node, with its store then and how often that had been written to. */
  readonly #last = new Map<ClusterNode, LastLook>()

  constructor(cluster: Cluster, log: LogWatch) {
    this.#cluster = cluster
    this.log = log
  }

  /** Look at all members. throws CheckError. returns what they show, as text, of the first. */
  async look(): Promise<TreeFacts | undefined> {
    const looks: Look[] = []
    for (const node of this.#cluster.members) {
      const look = await this.#lookAt(node)
      if (look !== undefined) looks.push(look)
    }
    this.#sightFuture(looks)
    for (const [index, look] of looks.entries()) {
      const equal = looks.slice(0, index).find((other) => other.log === look.log)
      if (equal !== undefined)
        checkSame([equal.node.name, equal.tree.lines], [look.node.name, look.tree.lines])
    }
    return looks[0]?.tree
  }

  async #lookAt(node: ClusterNode): Promise<Look | undefined> {
    const { kv } = node.machine
    const last = this.#last.get(node)
    if (last?.writeCount === kv.writeCount && last.kv === kv) return last.look
    const volume = await readVolume(kv, node.machine.identity)
    if (volume === undefined) return undefined
    this.log.look(node.name, volume)
    const { view, replica } = volume
    const shown = await checkTree(node.name, view, replica.authorName)
    const tree = { ...shown, lines: [...shown.lines, ...(await pastLines(replica))] }
    const { conflicts, reappeared } = tree
    const { sightings } = this.#cluster.scheduler
    sightings.add('conflict copy', conflicts)
    sightings.add('folder reappeared', reappeared)
    sightings.add('move made void', await voidMoves(volume))
    const { actors } = volume.replica
    const tips = [...actors.vector().keys()].map((label) => actors.get(label)?.hash ?? '')
    const log = tips.sort().join(' ')
    const look = { node, volume, log, tree }
    this.#last.set(node, { kv, writeCount: kv.writeCount, look })
    return look
  }

  /** Has a node entries that another does not take yet, since their clock is too far ahead? */
  #sightFuture(looks: readonly Look[]): void {
    for (const { node, volume } of looks) {
      const latest = latestActorOf(volume, node.peer)
      if (latest === undefined) continue
      const refused = looks.some(({ node: other, volume: theirs }) => {
        const limitMs = other.machine.world.clock.wall() + CLOCK_AHEAD_MS
        const lacks = (theirs.replica.actors.get(latest.id)?.seq ?? 0) < latest.seq
        return lacks && hlcMillis(latest.hlc) > limitMs
      })
      if (refused) this.#cluster.scheduler.sightings.add('entry of the future refused')
    }
  }
}

/** Moves that would have put a folder into itself: their record has no position before. */
async function voidMoves({ view }: StoredVolume): Promise<number> {
  let count = 0
  for await (const [, value] of view.scan(MOVE_PREFIX, prefixEnd(MOVE_PREFIX))) {
    const move = decodeCbor(value, 'move record') as readonly unknown[]
    if (move.length === VOID_FIELDS) count++
  }
  return count
}
