// The conditions of a request that changes something: those of HTTP, the header If, and the locks
// that cover what is changed. The content that was looked at is the one that is changed, or nothing
// is: what the API is asked for carries its tag.
import { ShoalError } from '../../../protocol/errors.ts'
import type { FileStat } from '../../control/files.ts'
import { hasTag } from '../ranges.ts'
import { etagOf, httpDate } from '../send-file.ts'
import { davPath } from './dav-path.ts'
import { headerOf, isOfDoor, parentOf, placeOf, statIfThere } from './dav-request.ts'
import type { DavRequest, Place } from './dav-request.ts'
import { parseIf, tokensIn } from './if-header.ts'
import type { IfCondition, IfList } from './if-header.ts'
import { lockedBy } from './locks.ts'
import type { Lock } from './locks.ts'

export interface Conditions {
  /** The file or folder that was there; undefined: nothing. */
  readonly stat: FileStat | undefined
  /** For the call of the API: the content that it is about, if the request said any. */
  readonly ifTag: string | undefined
  /** Tokens of locks that the request shows. */
  readonly shown: ReadonlySet<string>
}

/** throws DavError 400, ShoalError 'precondition'. */
export async function checkConditions(asked: DavRequest): Promise<Conditions> {
  const stat = await statIfThere(asked, asked.place)
  const header = headerOf(asked.request, 'if')
  const lists = header === undefined ? [] : parseIf(header)
  const isAboutContent = checkHeaders(asked, stat) || lists.some(hasEtag)
  if (lists.length > 0 && !(await holdsOne(asked, lists, stat)))
    throw new ShoalError('precondition', 'none of the conditions of If holds; look again')
  const tag = stat === undefined ? '' : stat.tag
  return { stat, ifTag: isAboutContent ? tag : undefined, shown: tokensIn(lists) }
}

/** The locks of a place let a request through that shows one of them, of who took it. */
export function checkLocks(
  { locks, who }: Pick<DavRequest, 'locks' | 'who'>,
  place: Place,
  shown: ReadonlySet<string>,
): void {
  checkShown(locks.covering(place), who, shown)
}

/** The same for what comes into its folder, goes, or is replaced with all below it. */
export function checkLocksOfTree(
  asked: DavRequest,
  place: Place,
  shown: ReadonlySet<string>,
): void {
  checkLocksOfName(asked, place, shown)
  const { locks, who } = asked
  const places = Map.groupBy(locks.below(place), (lock) => lock.place.key)
  for (const held of places.values()) checkShown(held, who, shown)
}

/** The same for what comes into its folder. */
export function checkLocksOfName(
  asked: DavRequest,
  place: Place,
  shown: ReadonlySet<string>,
): void {
  const { locks, who, folder } = asked
  checkLocks(asked, place, shown)
  const parent = parentOf(folder, place)
  if (parent !== undefined) checkShown(locks.covering(parent), who, shown)
}

function checkShown(locks: readonly Lock[], who: string, shown: ReadonlySet<string>): void {
  if (locks.length === 0) return
  if (locks.some((lock) => lock.who === who && shown.has(lock.token))) return
  throw lockedBy(locks, 'lock-token-submitted')
}

/** Do the conditions of HTTP say which content is meant? throws ShoalError 'precondition'. */
function checkHeaders({ request, place }: DavRequest, stat: FileStat | undefined): boolean {
  const {
    'if-match': match,
    'if-none-match': noneMatch,
    'if-unmodified-since': since,
  } = request.headers
  const tag = etagOf(stat)
  const isThere = stat !== undefined
  const has = (list: string): boolean =>
    tag === undefined ? isThere && list.trim() === '*' : hasTag(list, tag)
  const isOther =
    (match !== undefined && !has(match)) ||
    (noneMatch !== undefined && has(noneMatch)) ||
    (match === undefined && isThere && since !== undefined && isLater(httpDate(stat), since))
  if (isOther) throw new ShoalError('precondition', `${place.href}: has changed; look again`)
  return match !== undefined || noneMatch !== undefined || since !== undefined
}

function isLater(one: string, other: string): boolean {
  return Date.parse(one) > Date.parse(other)
}

function hasEtag({ conditions }: IfList): boolean {
  return conditions.some(({ kind }) => kind === 'etag')
}

async function holdsOne(
  asked: DavRequest,
  lists: readonly IfList[],
  stat: FileStat | undefined,
): Promise<boolean> {
  for (const { resource, conditions } of lists) {
    if (resource === undefined) {
      if (conditions.every((one) => holds(asked, asked.place, stat, one))) return true
      continue
    }
    if (!isOfDoor(asked.request, resource)) continue
    const place = placeOf(asked.folder, davPath(resource))
    const needsStat = conditions.some(({ kind }) => kind === 'etag')
    const there = needsStat ? await statIfThere(asked, place) : undefined
    if (conditions.every((one) => holds(asked, place, there, one))) return true
  }
  return false
}

function holds(
  { locks }: DavRequest,
  place: Place,
  stat: FileStat | undefined,
  condition: IfCondition,
): boolean {
  const isTrue =
    condition.kind === 'token'
      ? locks.covering(place).some(({ token }) => token === condition.token)
      : condition.etag === etagOf(stat)
  return isTrue !== condition.isNot
}
