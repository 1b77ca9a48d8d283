// Conflicts of one volume by path: what shows beside what, and which of it stays. What a conflict
// is, and what ends it, is in node/tree/conflict-listing.ts.
import { parse } from 'node:path'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import { stampActor, stampMs } from '../../protocol/clock/dot.ts'
import { isWithin } from '../../protocol/tree/moves.ts'
import { hiddenName, nameFromText, nameText, plainNameOf } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { readLink } from '../../protocol/tree/records.ts'
import type { Conflict, ConflictSide, KeptConflict } from '../control/conflicts.ts'
import { hiddenSides } from '../tree/conflict-listing.ts'
import type { NameConflict } from '../tree/conflict-listing.ts'
import type { Namespace } from '../tree/namespace.ts'
import { formatPath } from './paths.ts'

/**
 * Maximum length of a proposed name, in characters: all of it is well below what a name may be
 * long.
 */
const STEM_MAX = 32
const AUTHOR_MAX = 16
const EXT_MAX = 8
/** Sides told of at a time that are too many to show. */
const HIDDEN_AT_ONCE = 256

type Sides = Omit<NameConflict, 'key'>

/**
 * Those at a path and below. throws ShoalError 'ENOENT', 'ENOTDIR'.
 * cost: O(conflicts of the volume)
 */
export async function* conflictsBelow(
  namespace: Namespace,
  path: readonly string[],
): AsyncGenerator<Conflict> {
  const target = namespace.resolvePath(path)
  if (target.kind !== 'dir') {
    const sides = sidesBeside(namespace, path)
    if (sides !== undefined) yield described(namespace, sides)
    return
  }
  for await (const sides of namespace.conflicts()) {
    if (isWithin(namespace.volume.view, sides.dir, target.id)) yield described(namespace, sides)
  }
}

/**
 * The one that a path is a side of. throws ShoalError 'ENOENT', 'ENOTDIR', 'EINVAL' where there is
 * none.
 */
export function conflictAt(namespace: Namespace, path: readonly string[]): Conflict {
  return described(namespace, sidesAt(namespace, path))
}

/** The same, but of its sides some that are too many to show, from this one on. */
export function moreOfConflict(
  namespace: Namespace,
  path: readonly string[],
  from: number,
): Conflict {
  const { dir, sides, moreCount } = sidesAt(namespace, path)
  const hidden = hiddenSides(namespace.volume, dir, sides[0].name)
  const some = Array.from(hidden.drop(from).take(HIDDEN_AT_ONCE))
  const rest = Math.max(0, moreCount - from - some.length)
  return {
    path: pathOf(namespace, dir, sides[0].name),
    sides: sidesOf(namespace, dir, some),
    moreCount: some.length < HIDDEN_AT_ONCE ? 0 : rest,
  }
}

/**
 * Let the side at a path have the name, and the others that show go. A copy that is alone, since
 * the plain name was removed or replaced, takes that. Durable after commit(). throws as conflictAt,
 * and 'EISDIR'. returns the path by which the side is found if there are others yet.
 */
export function keepConflict(
  namespace: Namespace,
  path: readonly string[],
): KeptConflict & { readonly next?: readonly string[] } {
  const alone = keepAlone(namespace, path)
  if (alone !== undefined) return alone
  const conflict = sidesAt(namespace, path)
  const { dir, sides } = conflict
  checkCanKeep(described(namespace, conflict))
  const name = nameFromText(path.at(-1) ?? '')
  const others = sides.filter((side) => side.name !== name)
  const removed = others.map((side) => pathOf(namespace, dir, side.name))
  const kept = sides.find((side) => side.name === name)?.target
  namespace.keepConflict(dir, name)
  const id = kept?.kind === 'inode' ? kept.link : undefined
  const link = id === undefined ? undefined : readLink(namespace.volume.view, id)
  if (id === undefined || link === undefined || namespace.conflictAt(dir, link.name) === undefined)
    return { path: pathOf(namespace, dir, link?.name ?? name), removed }
  const found = hiddenName(link.name, id)
  const next = [...path.slice(0, -1), nameText(found)]
  return { path: pathOf(namespace, dir, found), removed, next }
}

/** Undefined for a path that is in a conflict, or whose name is no conflict name. */
function keepAlone(namespace: Namespace, path: readonly string[]): KeptConflict | undefined {
  if (sidesBeside(namespace, path) !== undefined) return undefined
  namespace.resolvePath(path)
  const { id: dir } = namespace.resolvePath(path.slice(0, -1))
  const name = nameFromText(path.at(-1) ?? '')
  const plain = plainNameOf(name)
  if (plain === undefined || !('name' in plain)) return undefined
  const replaced = namespace.rename(dir, name, dir, plain.name)
  const kept = pathOf(namespace, dir, plain.name)
  return { path: kept, removed: replaced === undefined ? [] : [kept] }
}

function sidesAt(namespace: Namespace, path: readonly string[]): Sides {
  namespace.resolvePath(path)
  const sides = sidesBeside(namespace, path)
  if (sides !== undefined) return sides
  throw new ShoalError(
    'EINVAL',
    `${namespace.shownPath(formatPath(path))}: not in conflict; see "shoal conflicts ls"`,
  )
}

function sidesBeside(namespace: Namespace, path: readonly string[]): Sides | undefined {
  const { id: dir } = namespace.resolvePath(path.slice(0, -1))
  const name = path.at(-1)
  return name === undefined ? undefined : namespace.conflictAt(dir, nameFromText(name))
}

/** throws ShoalError 'EISDIR', with a move that ends the conflict instead. */
function checkCanKeep({ path, sides }: Conflict): void {
  const last = sides.at(-1)
  if (last?.moveTo === undefined) return
  throw new ShoalError(
    'EISDIR',
    `${path}: one version is a folder, which cannot be removed this way; ` +
      `to keep both, rename one, such as ${last.path} to ${last.moveTo} (shoal mv)`,
  )
}

function described(namespace: Namespace, { dir, sides, moreCount }: Sides): Conflict {
  const path = pathOf(namespace, dir, sides[0].name)
  return { path, sides: sidesOf(namespace, dir, sides), moreCount }
}

function sidesOf(
  namespace: Namespace,
  dir: NodeId,
  sides: readonly Sides['sides'][number][],
): ConflictSide[] {
  const isOfFolder = sides.some(({ target }) => target.kind === 'dir')
  return sides.map(({ name, target, author: peer, stamp, sizeBytes, isHidden }) => ({
    path: pathOf(namespace, dir, name),
    kind: namespace.attributes(target).kind,
    sizeBytes,
    peer,
    author: peer === undefined ? 'unknown' : namespace.volume.membership.nameOf(peer),
    writtenMs: stampMs(stamp),
    hidden: isHidden,
    ...(isOfFolder && {
      moveTo: freePath(namespace, dir, sides[0]?.name ?? name, stampActor(stamp)),
    }),
  }))
}

/** A path beside `name` that nothing has: "plan-anna.txt". */
function freePath(namespace: Namespace, dir: NodeId, name: Name, actor: ActorId): string {
  const author = namespace.volume.authorName(actor).replace(/[^\p{L}\p{N}_.-]/gu, '_')
  const { name: stem, ext } = parse(nameText(name))
  const start = `${Array.from(stem).slice(0, STEM_MAX).join('')}-${author.slice(0, AUTHOR_MAX)}`
  for (let number = 1; ; number++) {
    const free = nameFromText(`${start}${number === 1 ? '' : `-${number}`}${ext.slice(0, EXT_MAX)}`)
    if (namespace.lookup(dir, free) === undefined) return pathOf(namespace, dir, free)
  }
}

function pathOf(namespace: Namespace, dir: NodeId, name: Name): string {
  return formatPath([...namespace.pathOf(dir), name].map(nameText))
}
