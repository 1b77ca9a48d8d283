// The nodes of a checkpoint in a backup. Of a new one only those go into new parts that none has
// yet, with those of parts of which it needs less than half.
import { nodesPrefix } from '../../protocol/cold/backup.ts'
import type { NodePart } from '../../protocol/cold/backup.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { MIB } from '../../protocol/units.ts'
import type { Checkpoint } from '../replica/kept-checkpoint.ts'
import { PARTS, TreeNodes } from '../state/checkpoint-view.ts'
import type { Part } from '../state/checkpoint-view.ts'
import { treesOf } from '../log/volume-trees.ts'
import type { Volume } from '../log/volume.ts'
import type { World } from '../world/world.ts'
import type { BackupObjects } from './backup-objects.ts'

const PART_BYTES: number = 4 * MIB
/** A part stays if this share of its nodes is needed. */
const LIVE_SHARE = 0.5
/** Nodes looked at before others have their turn. */
const PACE = 64

export interface BackupNodesParts {
  readonly objects: BackupObjects
  readonly volume: Volume
  readonly world: Pick<World, 'clock' | 'random'>
  readonly signal: AbortSignal
}

/** Parts that lie in the tier, of the checkpoint before. */
export interface FormerParts {
  readonly parts: readonly NodePart[]
  /** Asked before one is used again. */
  readonly isRight: (part: NodePart) => Promise<boolean>
}

/** returns those of this checkpoint. throws ShoalError 'missing-past' if it is gone by now. */
export async function putNodes(
  parts: BackupNodesParts,
  checkpoint: Checkpoint | undefined,
  there: FormerParts,
): Promise<readonly NodePart[]> {
  if (checkpoint === undefined) return []
  const all: NodePart[] = []
  for (const part of PARTS) {
    const isSealed = part === 'sealed'
    const missing = await nodesOf(parts, checkpoint, part)
    for (const known of there.parts) {
      if (known.isSealed !== isSealed) continue
      const live = known.ids.filter((id) => missing.has(id))
      if (live.length < LIVE_SHARE * known.ids.length || live.length === 0) continue
      if (!(await there.isRight(known))) continue
      for (const id of live) missing.delete(id)
      all.push(known)
    }
    for await (const each of putMissing(parts, part, missing)) all.push({ ...each, isSealed })
  }
  return all
}

async function nodesOf(
  { volume, world, signal }: BackupNodesParts,
  checkpoint: Checkpoint,
  part: Part,
): Promise<Set<NodeHash>> {
  const ids = new Set<NodeHash>()
  for (const id of treesOf(volume)[part].newNodes(undefined, checkpoint[part])) {
    ids.add(id)
    if (ids.size % PACE === 0) await world.clock.sleep(1, { signal })
  }
  return ids
}

async function* putMissing(
  { objects, volume, world, signal }: BackupNodesParts,
  part: Part,
  missing: ReadonlySet<NodeHash>,
): AsyncGenerator<Omit<NodePart, 'isSealed'>> {
  const nodes = new TreeNodes(volume.view, part)
  let ids: NodeHash[] = []
  let items: Uint8Array[] = []
  let bytes = 0
  const put = async (): Promise<Omit<NodePart, 'isSealed'>> => {
    const stored = await objects.putPart(nodesPrefix(volume.id), items, world.random)
    const done = { ...stored, ids }
    ids = []
    items = []
    bytes = 0
    return done
  }
  for (const id of missing) {
    const node = nodes.get(id)
    if (node === undefined)
      throw new ShoalError(
        'missing-past',
        'a newer checkpoint exists by now; the next backup uses it',
      )
    ids.push(id)
    items.push(node)
    bytes += node.length
    if (ids.length % PACE === 0) await world.clock.sleep(1, { signal })
    if (bytes >= PART_BYTES) yield await put()
  }
  if (ids.length > 0) yield await put()
}
