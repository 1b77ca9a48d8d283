// Conflicts of one volume by path: what shows beside what, and which of it stays. What a conflict is, and what ends it,
// is in node/namespace/conflicts.ts.
import { ShoalError } from '../../protocol/errors.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { stampActor, stampHlc } from '../../protocol/log/dot.ts'
import { isWithin } from '../../protocol/tree/moves.ts'
import { nameFromText, nameText } from '../../protocol/tree/names.ts'
import type { Name } from '../../protocol/tree/names.ts'
import { readLink } from '../../protocol/tree/records.ts'
import type { Conflict, ConflictSide, KeptConflict } from '../control/api.ts'
import type { NameConflict } from '../namespace/conflicts.ts'
import type { Namespace } from '../namespace/namespace.ts'
import { formatPath } from './paths.ts'

type Sides = Omit<NameConflict, 'key'>

/**
 * Those at a path and below. throws ShoalError 'ENOENT', 'ENOTDIR', 'EINVAL' for a file that is in none.
 * cost: O(conflicts of the volume)
 */
export async function* conflictsBelow(
  namespace: Namespace,
  path: readonly string[],
): AsyncGenerator<Conflict> {
  const target = namespace.resolvePath(path)
  if (target.kind !== 'dir') {
    yield conflictAt(namespace, path)
    return
  }
  for await (const sides of namespace.conflicts()) {
    if (isWithin(namespace.volume.view, sides.dir, target.id)) yield described(namespace, sides)
  }
}

/** The one that a path is a side of. throws ShoalError 'ENOENT', 'ENOTDIR', 'EINVAL' where there is none. */
export function conflictAt(namespace: Namespace, path: readonly string[]): Conflict {
  return described(namespace, sidesAt(namespace, path))
}

/** Let the side at a path have the name, and the others go. Durable after commit(). throws as conflictAt, and 'EISDIR'. */
export function keepConflict(namespace: Namespace, path: readonly string[]): KeptConflict {
  const { dir, sides } = sidesAt(namespace, path)
  const name = nameFromText(path.at(-1) ?? '')
  const others = sides.filter((side) => side.name !== name)
  const removed = others.map((side) => pathOf(namespace, dir, side.name))
  const kept = sides.find((side) => side.name === name)?.target
  namespace.keepConflict(dir, name)
  const link = kept?.kind === 'inode' ? readLink(namespace.volume.view, kept.link) : undefined
  return { path: pathOf(namespace, dir, link?.name ?? name), removed }
}

function sidesAt(namespace: Namespace, path: readonly string[]): Sides {
  namespace.resolvePath(path)
  const { id: dir } = namespace.resolvePath(path.slice(0, -1))
  const name = path.at(-1)
  const sides = name === undefined ? undefined : namespace.conflictAt(dir, nameFromText(name))
  if (sides !== undefined) return sides
  throw new ShoalError('EINVAL', `${formatPath(path)}: is in no conflict; see shoal conflicts ls`)
}

function described(namespace: Namespace, { dir, sides }: Sides): Conflict {
  const all = sides.map(
    ({ name, target, author: peer, stamp, sizeBytes, isHidden }): ConflictSide => ({
      path: pathOf(namespace, dir, name),
      kind: namespace.attributes(target).kind,
      sizeBytes,
      peer,
      author: namespace.volume.authorName(stampActor(stamp)),
      writtenMs: hlcMillis(stampHlc(stamp)),
      hidden: isHidden,
    }),
  )
  return { path: pathOf(namespace, dir, sides[0].name), sides: all }
}

function pathOf(namespace: Namespace, dir: NodeId, name: Name): string {
  return formatPath([...namespace.pathOf(dir), name].map(nameText))
}
