// Replicas of a tree without a log or a network: each makes ops as a program on it would, by path,
// and takes those of the others in any order that respects causality.
import assert from 'node:assert/strict'
import { toHex, utf8 } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { nextHlc } from '../../../protocol/clock/hlc.ts'
import { makeDot, makeStamp } from '../../../protocol/clock/dot.ts'
import { applyOp, emptyChanges } from '../../../protocol/tree/apply.ts'
import { shownVersion } from '../../../protocol/tree/attributes.ts'
import { childPrefix, decodeChildren } from '../../../protocol/tree/children.ts'
import { DEAD_PREFIX } from '../../../protocol/tree/dead.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { MoveLog } from '../../../protocol/tree/moves.ts'
import { nameFromText, nameText, parseXattrName } from '../../../protocol/op/names.ts'
import {
  ROOT,
  ensureRoot,
  readDir,
  readInode,
  readLink,
  seenOf,
} from '../../../protocol/tree/records.ts'
import { versionsOf } from '../../../protocol/tree/versions.ts'
import { lookupName, resolve } from '../../../protocol/tree/view.ts'
import { readXattr, readXattrNames } from '../../../protocol/tree/xattrs.ts'
import { moveOps, removeOps, versionOps } from '../../../node/tree/target-ops.ts'
import type { FileTotals } from '../../../protocol/tree/file-totals.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, NodeId } from '../../../protocol/ids.ts'
import type { Dot } from '../../../protocol/clock/dot.ts'
import type { OpContext } from '../../../protocol/tree/op-edit.ts'
import type { Name } from '../../../protocol/op/names.ts'
import type { AttributeValues, SpecialFile, TreeOp } from '../../../protocol/op/op.ts'
import type { StateStore } from '../../../protocol/tree/records.ts'
import type { ConflictPolicy, ViewEntry, ViewTarget } from '../../../protocol/tree/view.ts'
import type { WallTime } from '../../../protocol/units.ts'

export class MemoryState implements StateStore {
  readonly records: Map<string, Uint8Array> = new Map<string, Uint8Array>()
  /** Calls so far. */
  calls = 0

  get(key: string): Uint8Array | undefined {
    this.calls++
    return this.records.get(key)
  }

  put(key: string, value: Uint8Array): void {
    this.calls++
    this.records.set(key, value)
  }

  delete(key: string): void {
    this.calls++
    this.records.delete(key)
  }

  /** Records under a prefix, in key order, without it. */
  under(prefix: string): [string, Uint8Array][] {
    return [...this.records]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key.slice(prefix.length), value])
  }

  /**
   * A line a record. What the index of the dead says depends on the order of arrival: only on
   * request.
   */
  dump({ dead = false }: { readonly dead?: boolean } = {}): string {
    return this.under('')
      .filter(([key]) => dead || !key.startsWith(DEAD_PREFIX))
      .map(
        ([key, value]) => `${key.charAt(0)} ${toHex(Buffer.from(key, 'latin1'))} ${toHex(value)}`,
      )
      .join('\n')
  }
}

/** An op as the log has it. */
export interface LoggedOp {
  readonly op: TreeOp
  readonly site: Site
  readonly seq: number
  readonly hlc: Hlc
  /** Per site how many of its ops its maker had applied. */
  readonly past: ReadonlyMap<Site, number>
}

export function contextOf({ site, seq, hlc, past }: LoggedOp): OpContext {
  const covers = (actor: ActorId, number: number): boolean => {
    if (actor === site.actor) return true
    for (const [other, count] of past) if (other.actor === actor) return number <= count
    return false
  }
  const { isAppended } = site
  const stamp = makeStamp(hlc, site.actor, 0)
  return { dot: makeDot(site.actor, seq, 0), stamp, covers, isAppended }
}

export class Site {
  readonly name: string
  readonly actor: ActorId
  readonly state: MemoryState = new MemoryState()
  readonly moves: MoveLog = new MoveLog()
  /** Its own ops, oldest first. */
  readonly log: LoggedOp[] = []
  /** Counted op by op. */
  readonly files: FileTotals = { files: 0, bytes: 0n }
  readonly held: Map<Site, number> = new Map<Site, number>()
  hlc: Hlc = 0n as Hlc
  wallMs = 0
  /** It writes as an appender. */
  isAppended = false
  #madeCount = 0

  constructor(name: string) {
    this.name = name
    this.actor = toHex(blake3(utf8(name)).subarray(0, 16)) as ActorId
    ensureRoot(this.state)
  }

  submit(...ops: readonly TreeOp[]): void {
    for (const op of ops) {
      const hlc = nextHlc(this.hlc, this.wallMs as WallTime)
      const seq = this.log.length + 1
      const logged = { op, site: this, seq, hlc, past: new Map(this.held) }
      this.log.push(logged)
      this.apply(logged)
    }
  }

  apply(logged: LoggedOp): void {
    const { state, moves, files } = this
    const growth = applyOp(state, moves, logged.op, contextOf(logged), emptyChanges())
    files.files += growth.files
    files.bytes += growth.bytes
    this.held.set(logged.site, logged.seq)
    if (logged.hlc > this.hlc) this.hlc = logged.hlc
  }

  /** True if it holds all that the op's maker had seen, and not the op. */
  isNext({ site, seq, past }: LoggedOp): boolean {
    if ((this.held.get(site) ?? 0) !== seq - 1) return false
    return [...past].every(([other, count]) => (this.held.get(other) ?? 0) >= count)
  }

  /**
   * Take what the others hold, theirs in the order in which they are given as far as causality
   * allows.
   */
  receive(...from: readonly Site[]): void {
    for (let next = this.#next(from); next !== undefined; next = this.#next(from)) this.apply(next)
  }

  #next(from: readonly Site[]): LoggedOp | undefined {
    for (const other of from) {
      for (const [site, count] of other.held) {
        const held = this.held.get(site) ?? 0
        const logged = held < count ? site.log[held] : undefined
        if (logged !== undefined && this.isNext(logged)) return logged
      }
    }
    return undefined
  }

  find(path: string): ViewEntry | undefined {
    let at: ViewEntry | undefined
    for (const part of path.split('/')) {
      const dir = at === undefined ? ROOT : at.target.id
      at = lookupName(this.state, dir, nameFromText(part), this.authorName)
      if (at === undefined) return undefined
    }
    return at
  }

  at(path: string): ViewTarget {
    const found = this.find(path)
    assert.ok(found, `${this.name} sees no ${path}`)
    return found.target
  }

  mkdir(path: string, attributes: AttributeValues = {}): void {
    const [parent, name] = this.place(path)
    this.submit({
      kind: 'mkdir',
      id: freshDirId(this.state, parent, name),
      parent,
      name,
      attributes,
    })
  }

  /** Write a file, a new one if there is none. */
  write(path: string, text: string): void {
    const found = this.find(path)
    const inode = found === undefined ? this.create(path) : found.target.id
    const newest = readInode(this.state, inode)?.newest
    this.put(inode, text, newest === undefined ? [] : [newest.dot])
  }

  /** The presence of a directory or a link. */
  dots(owner: 'dir' | 'link', id: NodeId): readonly Dot[] {
    const record = owner === 'dir' ? readDir(this.state, id) : readLink(this.state, id)
    return record === undefined ? [] : seenOf(this.state, owner, id, record)
  }

  /** Dots of all its versions, the newest last. */
  versions(inode: NodeId): Dot[] {
    const file = readInode(this.state, inode)
    if (file === undefined) return []
    return Array.from(versionsOf(this.state, inode, file), ({ dot }) => dot)
  }

  /** As a handle that had seen `base` does. */
  put(inode: NodeId, text: string, base: readonly Dot[], goesOn = false): void {
    const content = { kind: 'inline', bytes: utf8(text) } as const
    const version = {
      content,
      size: content.bytes.length,
      base,
      modifiedNs: BigInt(this.wallMs),
      ...(goesOn && ({ goesOn } as const)),
    }
    const isSelf = (actor: ActorId): boolean => actor === this.actor
    this.submit(...versionOps(this.state, inode, version, isSelf))
  }

  create(path: string, target?: string): NodeId {
    return this.createIn(...this.place(path), target)
  }

  createIn(parent: NodeId, name: Name, target?: string, special?: SpecialFile): NodeId {
    const inode = this.#freshId()
    this.submit({
      kind: 'create',
      inode,
      link: this.#freshId(),
      parent,
      name,
      attributes: {},
      target: target === undefined ? undefined : utf8(target),
      ...(special === undefined ? {} : { special }),
    })
    return inode
  }

  link(path: string, other: string): void {
    this.linkIn(this.at(path).id, ...this.place(other))
  }

  linkIn(inode: NodeId, parent: NodeId, name: Name): void {
    this.submit({ kind: 'link', inode, link: this.#freshId(), parent, name })
  }

  /** As rename(2): what had the name goes. */
  rename(path: string, other: string): void {
    const [parent, name] = this.place(other)
    const moved = this.at(path)
    const replaced = this.find(other)?.target
    const isSame = replaced !== undefined && replaced.id === moved.id
    const removal = replaced === undefined || isSame ? [] : removeOps(this.state, replaced)
    this.submit(...removal, ...moveOps(this.state, moved, parent, name))
  }

  /** Unlink, or remove an empty directory. */
  remove(path: string): void {
    this.submit(...removeOps(this.state, this.at(path)))
  }

  set(path: string, attributes: AttributeValues): void {
    this.submit({ kind: 'attributes', id: this.at(path).id, attributes })
  }

  /** Undefined: remove it. */
  setXattr(path: string, name: string, value: string | undefined): void {
    this.submit({
      kind: 'xattr',
      id: this.at(path).id,
      name: parseXattrName(name),
      value: value === undefined ? undefined : utf8(value),
    })
  }

  /** All that are set: `name=value`. */
  xattrs(path: string): string[] {
    const { id } = this.at(path)
    return readXattrNames(this.state, id).map((name) => {
      const value = readXattr(this.state, id, name) ?? []
      return `${name}=${Buffer.from(value).toString()}`
    })
  }

  /** The directory a path is in, and its last name. */
  place(path: string): [NodeId, Name] {
    const parts = path.split('/')
    const name = nameFromText(parts.pop() ?? '')
    return [parts.length === 0 ? ROOT : this.at(parts.join('/')).id, name]
  }

  /**
   * The visible tree, in order: directories end with '/', contents follow '='; a conflict name is
   * `name~author`.
   */
  shown(policy: ConflictPolicy = 'copies'): string[] {
    return this.#shownIn(ROOT, '', policy).sort()
  }

  entries(dir: NodeId, policy: ConflictPolicy = 'copies'): ViewEntry[] {
    const prefix = childPrefix(dir)
    return this.state.under(prefix).flatMap(([key, value]) => {
      const children = decodeChildren(this.state, prefix + key, value)
      return resolve(this.state, dir, children, this.authorName, policy)
    })
  }

  readonly authorName = (actor: ActorId): string => names.get(actor) ?? 'unknown'

  #shownIn(dir: NodeId, prefix: string, policy: ConflictPolicy): string[] {
    return this.entries(dir, policy).flatMap(({ name, target }) => {
      const path = prefix + readable(nameText(name))
      if (target.kind === 'dir')
        return [`${path}/`, ...this.#shownIn(target.id, `${path}/`, policy)]
      return [path + this.contentText(target)]
    })
  }

  contentText(target: Extract<ViewTarget, { kind: 'inode' }>): string {
    const inode = readInode(this.state, target.id)
    if (inode?.target !== undefined) return ` -> ${Buffer.from(inode.target).toString()}`
    const content =
      inode === undefined
        ? undefined
        : shownVersion(this.state, target.id, inode, target.version)?.content
    return content?.kind === 'inline' ? ` = ${Buffer.from(content.bytes).toString()}` : ''
  }

  #freshId(): NodeId {
    const id = blake3(utf8(`${this.name} ${this.#madeCount++}`)).subarray(0, 16)
    return toHex(id) as NodeId
  }
}

const names = new Map<ActorId, string>()

/** A site whose name conflict names will tell. */
export function newSite(name: string): Site {
  const site = new Site(name)
  names.set(site.actor, name)
  return site
}

function readable(name: string): string {
  return name.replace(/\.conflict-\d+T\d+Z-(\w+)-[0-9a-f]{8}/, '~$1')
}
