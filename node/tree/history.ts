// A volume's history for people: entries newest first, by a merge of all actors' chains by clock,
// in which each comes before its past; memory is an entry an actor. Ops name things by id: their
// names are those of today, and where things have moved since, those that the ops tell which the
// writer had seen (its presence dots lead from op to op).
import { HLC_ZERO, hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import { makeDot } from '../../protocol/clock/dot.ts'
import type { Dependency, Entry } from '../../protocol/log/entry.ts'
import { describeOps } from '../../protocol/tree/describe.ts'
import type { Change, ChangeKind, LoggedOp } from '../../protocol/tree/describe.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { LogEntry, LogItem, LogOptions } from '../control/history.ts'
import type { Clock } from '../world/world.ts'
import { byClock } from '../state/entries.ts'
import type { Logged } from '../state/entries.ts'
import { LogNames } from './history-names.ts'
import type { Volume } from '../log/volume.ts'
import { isWithin } from '../../protocol/tree/moves.ts'
import type { Op } from '../../protocol/op/op.ts'
import { linksOf, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'

/** Entries read between two pauses, and given in one page. */
const SLICE_ENTRIES = 64
const FOLLOW_TAIL = 10
/** How often a follower looks for news, in ms. */
const FOLLOW_MS = 200

/** Entries that are looked through for what an entry follows has seen of each other, at most. */
const STEPS_COMPARED = 512

const BOOKKEEPING: ReadonlySet<ChangeKind> = new Set(['place', 'merge', 'checkpoint'])

export interface HistoryOptions extends LogOptions {
  /** The subject to filter by; undefined: everything. */
  readonly target: ViewTarget | undefined
  readonly signal: AbortSignal
}

interface HistoryComponents {
  readonly volume: Volume
  readonly clock: Clock
}

/** The log in pages, as HistoryApi.readLog says. */
export async function* readHistory(
  components: HistoryComponents,
  options: HistoryOptions,
): AsyncGenerator<readonly LogItem[]> {
  const { volume } = components
  // Ops become an entry once their batch is closed.
  await volume.commit()
  if (options.follow === true) return yield* follow(components, options)
  const { limit = Infinity } = options
  let given = 0
  for await (const page of told(components, newestFirst(volume), options, limit)) {
    yield page
    given += page.length
  }
  if (given >= limit) return
  if (volume.entries.dropped.size === 0) return
  const cut = volume.checkpoint
  yield [{ kind: 'dropped', beforeMs: cut === undefined ? undefined : hlcMillis(cut.hlc) }]
}

async function* follow(
  components: HistoryComponents,
  options: HistoryOptions,
): AsyncGenerator<readonly LogItem[]> {
  const { volume, clock } = components
  const { limit = FOLLOW_TAIL, signal } = options
  let held = volume.actors.vector()
  const tail: LogItem[] = []
  for await (const page of told(components, newestFirst(volume), options, limit)) tail.push(...page)
  yield tail.reverse()
  for (;;) {
    await clock.sleep(FOLLOW_MS, { signal })
    const now = volume.actors.vector()
    yield* told(components, volume.entries.between(held, now), options)
    held = now
  }
}

/**
 * Those of `entries` that are to be told, the first `limit` of them, in pages; pauses, so that
 * others get their turn.
 */
async function* told(
  { volume, clock }: HistoryComponents,
  entries: Iterable<Logged>,
  { target, all = false, signal }: HistoryOptions,
  limit = Infinity,
): AsyncGenerator<readonly LogEntry[]> {
  const names = new LogNames(volume)
  let page: LogEntry[] = []
  let [read, left] = [0, limit]
  for (const logged of entries) {
    if (left === 0) break
    const changes = changesOf(volume, names, logged, target).filter(
      ({ kind }) => all || !BOOKKEEPING.has(kind),
    )
    if (changes.length > 0) {
      page.push(describeEntry(volume, logged, changes))
      left--
    }
    if (++read % SLICE_ENTRIES !== 0) continue
    if (page.length > 0) yield page
    page = []
    await clock.sleep(0, { signal })
  }
  if (page.length > 0) yield page
}

function changesOf(
  volume: Volume,
  names: LogNames,
  { label, entry }: Logged,
  target: ViewTarget | undefined,
): readonly Change[] {
  const { seq, deps } = entry.header
  const reading = volume.replica.read(entry)
  const ops = reading.kind === 'ops' ? reading.ops : []
  const logged: LoggedOp[] = ops.map((op, index) => ({ op, dot: makeDot(label, seq, index) }))
  if (target !== undefined) {
    const about = logged.filter(({ op }) => op !== undefined && isAbout(volume.view, target, op))
    if (about.length > 0) names.learn(logged)
    return describeOps(about, names)
  }
  if (reading.kind !== 'ops')
    return [{ kind: 'unknown', text: 'wrote something that this node cannot read' }]
  names.learn(logged)
  if (ops.length > 0) return describeOps(logged, names)
  return [{ kind: 'merge', text: `merged ${deps.length + 1} branches of the log` }]
}

function describeEntry(volume: Volume, { entry }: Logged, changes: readonly Change[]): LogEntry {
  const peer = volume.replica.authorOf(entry)
  return {
    kind: 'entry',
    id: entry.hash,
    parents: headsSeen(volume, entry).map(({ hash }) => hash),
    peer,
    author: volume.membership.nameOf(peer),
    timeMs: hlcMillis(entry.header.hlc),
    changes,
  }
}

/**
 * Its own actor's last entry and those it depends on, less those that another of them is known to
 * have seen.
 */
function headsSeen(volume: Volume, { header }: Entry): readonly Dependency[] {
  const { actor, seq, prev, deps } = header
  const all = [...(prev === undefined ? [] : [{ actor, seq: seq - 1, hash: prev }]), ...deps]
  const heads = new Set(all)
  const steps = { left: STEPS_COMPARED }
  // The newest has most likely seen the others.
  for (const head of byNewest(volume, all)) {
    if (heads.size === 1 || steps.left <= 0) break
    if (heads.has(head)) removeSeen(volume, heads, head, steps)
  }
  return all.filter((one) => heads.has(one))
}

/**
 * An actor names every other one that advanced: the latest time that it named one tells what it had
 * seen.
 */
function removeSeen(
  volume: Volume,
  heads: Set<Dependency>,
  by: Dependency,
  steps: { left: number },
): void {
  const unknown = new Map([...heads].map((head) => [head.actor, head]))
  unknown.delete(by.actor)
  for (let { seq } = by; unknown.size > 0 && steps.left-- > 0; seq--) {
    const entry = volume.entries.entry(by.actor, seq)
    if (entry === undefined) return
    for (const named of entry.header.deps) {
      const head = unknown.get(named.actor)
      if (head !== undefined && named.seq >= head.seq) heads.delete(head)
      unknown.delete(named.actor)
    }
  }
}

function byNewest(volume: Volume, all: readonly Dependency[]): readonly Dependency[] {
  if (all.length < 2) return all
  const clock = ({ actor, seq }: Dependency): Hlc => volume.entries.hlc(actor, seq) ?? HLC_ZERO
  const clocks = new Map(all.map((one) => [one, clock(one)]))
  return all.toSorted((a, b) =>
    (clocks.get(a) ?? HLC_ZERO) > (clocks.get(b) ?? HLC_ZERO) ? -1 : 1,
  )
}

/** All entries that are here, the newest first; otherwise as EntryTable.between. */
function* newestFirst({ actors, entries }: Volume): Generator<Logged> {
  const next: Logged[] = []
  const add = (label: ActorId, seq: number): void => {
    const entry = entries.entry(label, seq)
    if (entry === undefined) return
    const logged = { label, entry }
    const at = next.findIndex((other) => byClock(other, logged) > 0)
    next.splice(at < 0 ? next.length : at, 0, logged)
  }
  for (const [label, seq] of actors.vector()) add(label, seq)
  for (let newest = next.pop(); newest !== undefined; newest = next.pop()) {
    yield newest
    add(newest.label, newest.entry.header.seq - 1)
  }
}

/** True if `op` changed the target, or something in it. */
/**
 * Is the op about a file, by its inode, or about a folder: of all that lies in it today or was put
 * in or taken out, wherever they were then?
 */
function isAbout(view: StateStore, target: ViewTarget, op: Op): boolean {
  if (target.kind === 'inode') return inodeOf(view, op) === target.id
  return foldersOf(view, op).some((id) => isWithin(view, id, target.id))
}

function inodeOf(view: StateStore, op: Op): NodeId | undefined {
  switch (op.kind) {
    case 'create':
    case 'link':
    case 'version':
    case 'drop-version':
      return op.inode
    case 'move':
    case 'unlink':
      return readLink(view, op.link)?.inode
    case 'attributes':
    case 'xattr':
      return op.id
    default:
      return undefined
  }
}

/** The folders that an op is about, or that hold what it is about. */
function foldersOf(view: StateStore, op: Op): readonly NodeId[] {
  switch (op.kind) {
    case 'mkdir':
      return [op.id, op.parent]
    case 'create':
    case 'link':
      return [op.parent, ...foldersOfInode(view, op.inode, [op.link])]
    case 'move':
      return [op.from, op.parent, ...foldersOfLinks(view, [op.link])]
    case 'move-dir':
      return [op.id, op.from, op.parent]
    case 'unlink':
      return [op.from, ...foldersOfLinks(view, [op.link])]
    case 'rmdir':
      return [op.id, op.from]
    case 'attributes':
    case 'xattr':
      return [op.id, ...foldersOfInode(view, op.id, [])]
    case 'version': {
      const inFlight = op.touch.map(({ link }) => link)
      return foldersOfInode(view, op.inode, inFlight)
    }
    case 'drop-version':
      return foldersOfInode(view, op.inode, [])
    default:
      return []
  }
}

/** The folders of the names that it has, and of these. */
function foldersOfInode(
  view: StateStore,
  inode: NodeId,
  links: readonly NodeId[],
): readonly NodeId[] {
  const file = readInode(view, inode)
  return foldersOfLinks(view, [...(file === undefined ? [] : linksOf(view, inode, file)), ...links])
}

function foldersOfLinks(view: StateStore, links: readonly NodeId[]): readonly NodeId[] {
  return links.flatMap((link) => readLink(view, link)?.parent ?? [])
}
