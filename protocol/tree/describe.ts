// Describes the ops of an entry in words: pure text of ops and of the names that the reader's
// replica knows. An op that only completes another of its entry (the content and the mode of a new
// file) is part of that one's change.
import { accountText } from '../accounts/describe.ts'
import { assertNever } from '../errors.ts'
import type { NodeId, PeerId } from '../ids.ts'
import type { Dot } from '../clock/dot.ts'
import { hlcMillis } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import { kindText } from '../op/file-kind.ts'
import { nameText } from '../op/names.ts'
import type { Name } from '../op/names.ts'
import type { AttributeValues, Op, ShardChange, TreeOp } from '../op/op.ts'
import type { SnapshotOp } from '../op/snapshot-op.ts'

/**
 * 'place' (where data lies), 'merge' (that heads were seen) and 'checkpoint' are the node's own
 * bookkeeping; 'unknown' is what this version does not know or what the writer might not do.
 */
export type ChangeKind =
  | 'add'
  | 'write'
  | 'folder'
  | 'link'
  | 'move'
  | 'remove'
  | 'attributes'
  | 'resolve'
  | 'member'
  | 'policy'
  | 'place'
  | 'merge'
  | 'checkpoint'
  | 'restated'
  | 'loss'
  | 'snapshot'
  | 'unknown'

export interface Change {
  readonly kind: ChangeKind
  /** "wrote /docs/a.txt", with names that others chose. */
  readonly text: string
  /** A remark: "in conflict with another version". */
  readonly note?: string | undefined
  /** The path of its subject, if that is in the tree. */
  readonly path?: string | undefined
  /** The size of a content. */
  readonly sizeBytes?: number
}

/**
 * Names of what ops name by id: paths of today, '…' where a folder is known no more; undefined if
 * nothing is known.
 */
export interface HistoryNames {
  folder(id: NodeId): string
  /** The path of a link or folder; the last one, if it is removed. */
  place(id: NodeId): string | undefined
  /** Its path when it had these presence dots, as far as the log tells. */
  before(id: NodeId, saw: readonly Dot[]): string | undefined
  /**
   * True where this took from its name what showed there as a conflict copy, beside something else.
   */
  ofCopy(op: Taking, dot: Dot): boolean
  /** A name of an inode that it has, or a folder. */
  object(id: NodeId): string | undefined
  member(peer: PeerId): string
  /** Is the peer the author of the op with this dot? */
  isBy(peer: PeerId, dot: Dot): boolean
  /**
   * True while this content is one of several that were written at once and show beside each other.
   */
  inConflict(inode: NodeId, version: Dot): boolean
}

/** Ops that take something from its place. */
export type Taking = Extract<Op, { kind: 'move' | 'move-dir' | 'unlink' | 'rmdir' }>

export interface LoggedOp {
  readonly dot: Dot
  /** Undefined: not known to this version, or not for its writer to make. */
  readonly op: Op | undefined
}

const GONE = 'a file that is gone'
const COPY_OF = 'a conflict copy of'

/** The path of a name in a folder. */
export function pathIn(folder: string, name: Name): string {
  return `${folder === '/' ? '' : folder}/${nameText(name)}`
}

/** Describes the ops of an entry, in their order. */
export function describeOps(ops: readonly LoggedOp[], names: HistoryNames): Change[] {
  const changes: Change[] = []
  /** Indexes of the changes that later ops about the same object complete. */
  const made = new Map<NodeId, number>()
  for (const { op, dot } of ops) {
    const id = op === undefined ? undefined : objectOf(op)
    const at = id === undefined ? undefined : made.get(id)
    const known = at === undefined ? undefined : changes[at]
    if (op?.kind === 'version' && known !== undefined && at !== undefined) {
      changes[at] = { ...known, sizeBytes: op.size }
    } else if (!isDetail(op) || known === undefined) {
      if (id !== undefined && !isDetail(op)) made.set(id, changes.length)
      changes.push(describeOp(op, dot, names))
    }
  }
  return changes
}

/** True for what is not told of an object that the same entry makes or writes. */
function isDetail(op: Op | undefined): boolean {
  return op?.kind === 'attributes' || op?.kind === 'xattr'
}

/** The object that an op creates, or gives content or attributes. */
function objectOf(op: Op): NodeId | undefined {
  switch (op.kind) {
    case 'mkdir':
    case 'attributes':
    case 'xattr':
      return op.id
    case 'create':
    case 'version':
      return op.inode
    default:
      return undefined
  }
}

function describeVersion(
  op: Extract<Op, { kind: 'version' }>,
  dot: Dot,
  names: HistoryNames,
): Change {
  const path =
    names.object(op.inode) ??
    op.touch.map(({ link, saw }) => names.place(link) ?? names.before(link, saw)).find(Boolean)
  const note = names.inConflict(op.inode, dot)
    ? 'in conflict with another version'
    : op.base.length > 1
      ? `in place of ${op.base.length} versions`
      : undefined
  return { kind: 'write', text: `wrote ${path ?? GONE}`, note, path, sizeBytes: op.size }
}

function describeOp(op: Op | undefined, dot: Dot, names: HistoryNames): Change {
  if (op === undefined)
    return { kind: 'unknown', text: 'did something that says nothing to this node' }
  switch (op.kind) {
    case 'version':
      return describeVersion(op, dot, names)
    case 'mkdir': {
      const path = pathIn(names.folder(op.parent), op.name)
      return { kind: 'folder', text: `made folder ${path}`, path }
    }
    case 'create': {
      const path = pathIn(names.folder(op.parent), op.name)
      if (op.special !== undefined)
        return { kind: 'add', text: `made ${kindText(op.special.kind)} ${path}`, path }
      if (op.target === undefined) return { kind: 'add', text: `added ${path}`, path }
      const target = Buffer.from(op.target).toString('utf8')
      return { kind: 'add', text: `made symlink ${path} to ${target}`, path }
    }
    case 'link': {
      const path = pathIn(names.folder(op.parent), op.name)
      return { kind: 'link', text: `linked ${path} to ${names.object(op.inode) ?? GONE}`, path }
    }
    case 'move':
    case 'move-dir':
      return describeMove(op, dot, names)
    case 'unlink':
    case 'rmdir':
      return describeRemoval(op, dot, names)
    case 'attributes': {
      const path = names.object(op.id)
      return { kind: 'attributes', text: `${attributesText(op.attributes)} ${path ?? GONE}`, path }
    }
    case 'xattr': {
      const path = names.object(op.id)
      const done = op.value === undefined ? 'removed' : 'set'
      const text = `${done} extended attribute ${nameText(op.name)} of ${path ?? GONE}`
      return { kind: 'attributes', text, path }
    }
    case 'drop-version': {
      const path = names.object(op.inode)
      return { kind: 'resolve', text: `removed ${COPY_OF} ${path ?? GONE}`, path }
    }
    case 'purge-versions': {
      const path = names.object(op.inode)
      const what = count(op.versions.length, 'former version')
      return { kind: 'remove', text: `purged ${what} of ${path ?? GONE}`, path }
    }
    case 'pin':
    case 'pin-cold': {
      const path = names.object(op.id)
      return { kind: 'policy', text: pinText(op, path ?? GONE), path }
    }
    case 'stripe':
    case 'shards':
    case 'doubt':
    case 'condemn':
    case 'sweep':
    case 'cold':
    case 'read':
    case 'backup':
      return { kind: 'place', text: placingText(op, names) }
    default:
      return describeVolumeOp(op, dot, names)
  }
}

function pinText(op: Extract<Op, { kind: 'pin' | 'pin-cold' }>, what: string): string {
  if (op.kind === 'pin')
    return op.class === '' ? `unpinned ${what}` : `pinned ${what} to class ${op.class}`
  return op.tier === ''
    ? `unpinned ${what} from its cold tier`
    : `pinned ${what} to cold tier ${op.tier}`
}

function snapshotText(op: SnapshotOp, names: HistoryNames): string {
  if (op.kind === 'snapshot') return `made the snapshot ${op.name}`
  const which = `a snapshot of ${names.member(op.peer)}`
  if (op.kind === 'snapshot-rm') return `removed ${which}${op.forced ? ', held or not' : ''}`
  return `${op.held ? 'held' : 'let go of'} ${which}`
}

function placingText(op: PlacingOp, names: HistoryNames): string {
  switch (op.kind) {
    case 'stripe':
      return `placed a stripe on ${count(new Set(op.holders.map(({ peer }) => peer)).size, 'node')}`
    case 'shards':
      return shardsText(op.changes, names)
    case 'doubt': {
      const holders = [...new Set(op.shards.map(({ peer }) => names.member(peer)))]
      return `found ${count(op.shards.length, 'shard')} of a stripe missing on ${holders.join(', ')}`
    }
    case 'condemn':
      return `gave notice that ${count(op.stripes.length, 'stripe')} will be removed`
    case 'sweep':
      return `gave up ${count(op.stripes.length, 'stripe')}`
    case 'cold': {
      const done = op.pack === undefined ? 'gave up the cold copy of' : 'put'
      const where = op.pack === undefined ? `in ${op.tier}` : `into ${op.tier}`
      return `${done} ${count(op.stripes.length, 'stripe')} ${where}`
    }
    case 'read':
      return `read of ${count(op.stripes.length, 'stripe')}`
    case 'backup':
      return `put backup ${op.number} of the namespace into ${op.tier}`
    default:
      return assertNever(op)
  }
}

/** Rebuilt on those that hold it now, moved if the author held it, else let go. */
function shardsText(changes: readonly ShardChange[], names: HistoryNames): string {
  const nodes = (isHeld: boolean): string =>
    [...new Set(changes.filter((change) => change.isHeld === isHeld).map(({ peer }) => peer))]
      .map((peer) => names.member(peer))
      .join(', ')
  const [from, to] = [nodes(false), nodes(true)]
  const shards = new Set(changes.map(({ index }) => index)).size
  const what = `${shards === 1 ? 'a shard' : `${shards} shards`} of a stripe`
  if (from === '') return `placed ${what} on ${to}`
  return to === '' ? `let go of ${what} on ${from}` : `moved ${what} from ${from} to ${to}`
}

function count(n: number, noun: string, ending = 's'): string {
  return `${n} ${noun}${n === 1 ? '' : ending}`
}

function timeText(hlc: Hlc): string {
  return new Date(hlcMillis(hlc)).toISOString()
}

function describeMove(
  op: Extract<Op, { kind: 'move' | 'move-dir' }>,
  dot: Dot,
  names: HistoryNames,
): Change {
  const path = pathIn(names.folder(op.parent), op.name)
  const before = names.before(takenBy(op), op.saw) ?? `something in ${names.folder(op.from)}`
  const what = names.ofCopy(op, dot) ? `${COPY_OF} ${before}` : before
  return { kind: 'move', text: `moved ${what} to ${path}`, path }
}

function describeRemoval(
  op: Extract<Op, { kind: 'unlink' | 'rmdir' }>,
  dot: Dot,
  names: HistoryNames,
): Change {
  const id = takenBy(op)
  const isCopy = names.ofCopy(op, dot)
  const path = names.before(id, op.saw) ?? names.place(id)
  if (path === undefined)
    return { kind: 'remove', text: `removed something in ${names.folder(op.from)}` }
  if (isCopy) return { kind: 'resolve', text: `removed ${COPY_OF} ${path}`, path }
  return { kind: 'remove', text: `removed ${op.kind === 'rmdir' ? 'folder ' : ''}${path}`, path }
}

export function isTaking(op: Op): op is Taking {
  return ['move', 'move-dir', 'unlink', 'rmdir'].includes(op.kind)
}

/** The link, or the directory. */
export function takenBy(op: Taking): NodeId {
  return 'link' in op ? op.link : op.id
}

function attributesText({ mode, uid, gid, ...times }: AttributeValues): string {
  const owner = `${uid ?? ''}:${gid ?? ''}`
  const parts = [
    ...(mode === undefined ? [] : [`mode ${mode.toString(8).padStart(4, '0')}`]),
    ...(owner === ':' ? [] : [`owner ${owner}`]),
    ...(Object.keys(times).length === 0 ? [] : ['times']),
  ]
  return `set ${parts.join(', ')} of`
}

/** Members by their names, as people set them. */
function policyText({ key, value }: Extract<Op, { kind: 'policy' }>, names: HistoryNames): string {
  const account = accountText({ key, value }, (peer) => names.member(peer))
  if (account !== undefined) return account
  const [, drained] = /^drain:(.+)$/.exec(key) ?? []
  if (drained !== undefined) {
    const name = names.member(drained as PeerId)
    return value === '1' ? `asked ${name} to give its shards away` : `let ${name} keep its shards`
  }
  if (key !== 'voters') return `set ${key}=${value}`
  const [peers = ''] = value.split(';', 1)
  const voters = peers.split(',').map((peer) => names.member(peer as PeerId))
  return `set ${key}=${voters.join(',')}`
}

type VolumeOp =
  | Exclude<Op, TreeOp | PlacingOp>
  | SnapshotOp
  | Extract<Op, { kind: 'policy' | 'restated' | 'mass-loss' | 'dismiss-loss' }>

/** Ops about where data lies. */
type PlacingOp = Extract<
  Op,
  { kind: 'stripe' | 'shards' | 'doubt' | 'condemn' | 'sweep' | 'cold' | 'read' | 'backup' }
>

function describeVolumeOp(op: VolumeOp, dot: Dot, names: HistoryNames): Change {
  switch (op.kind) {
    case 'policy':
      return { kind: 'policy', text: policyText(op, names) }
    case 'member':
      return { kind: 'member', text: `admitted ${names.member(op.peer)} as ${op.role}` }
    case 'member-info': {
      const zone = op.zone === '' ? '' : `, in zone ${op.zone}`
      const text = names.isBy(op.peer, dot)
        ? `introduced itself as ${op.name}${zone}`
        : `gave the member ${op.peer} the name ${op.name}`
      return { kind: 'member', text }
    }
    case 'remove-member':
      if (names.isBy(op.peer, dot)) return { kind: 'member', text: 'left the volume' }
      return { kind: 'member', text: `took the membership of ${names.member(op.peer)} away` }
    case 'epoch':
      return { kind: 'member', text: `began key epoch ${op.epoch}` }
    case 'checkpoint':
      return { kind: 'checkpoint', text: 'proposed a checkpoint' }
    case 'mass-loss':
      return {
        kind: 'loss',
        text: `saw ${names.member(op.peer)} replace or remove much after ${timeText(op.at)}`,
      }
    case 'dismiss-loss':
      return { kind: 'loss', text: `dismissed ${count(op.losses.length, 'mass loss', 'es')}` }
    case 'snapshot':
    case 'snapshot-rm':
    case 'snapshot-hold':
      return { kind: 'snapshot', text: snapshotText(op, names) }
    case 'restated':
      return { kind: 'restated', text: `restated ${op.entries.length} late entries of others` }
    default:
      return assertNever(op)
  }
}
