// The invariants of every tree, whatever ops it was made of.
import assert from 'node:assert/strict'
import { toHex } from '../../../protocol/bytes.ts'
import { allChildren, childPrefix } from '../../../protocol/tree/children.ts'
import { CONFLICT_PREFIX, readConflictCount } from '../../../protocol/tree/conflict-counts.ts'
import { DEAD_PREFIX } from '../../../protocol/tree/dead.ts'
import { nameText } from '../../../protocol/op/names.ts'
import type { Name, XattrName } from '../../../protocol/op/names.ts'
import {
  ROOT,
  isDirVisible,
  linksOf,
  readDir,
  readInode,
  readLink,
} from '../../../protocol/tree/records.ts'
import { NO_FILES, addFile } from '../../../protocol/tree/file-totals.ts'
import { removedVersions } from '../../../protocol/tree/versions.ts'
import { lookupName } from '../../../protocol/tree/view.ts'
import { readXattr, readXattrNames } from '../../../protocol/tree/xattrs.ts'
import { entriesOf } from './script.ts'
import { contextOf } from './sites.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { Dot } from '../../../protocol/clock/dot.ts'
import type { LoggedOp, MemoryState, Site } from './sites.ts'

/** log: all ops that the site holds. */
export function checkInvariants(site: Site, log: readonly LoggedOp[]): void {
  const { state } = site
  checkFolders(state)
  checkNames(site)
  checkDead(state)
  checkVersions(site, log)
  checkXattrs(site, log)
  checkFileTotals(site)
}

/** Checks that ops added and took away just what a walk through all inodes finds. */
function checkFileTotals({ state, files }: Site): void {
  const found = { ...NO_FILES }
  for (const id of idsUnder(state, 'i')) {
    const inode = readInode(state, id)
    if (inode !== undefined) addFile(found, inode, 1)
  }
  assert.deepEqual(files, found, 'files and bytes')
}

function idsUnder(state: MemoryState, prefix: string): NodeId[] {
  return state.under(prefix).map(([key]) => toHex(Buffer.from(key, 'latin1')) as NodeId)
}

/**
 * No directory is below itself, all are below the root, and each knows how many children it shows.
 */
function checkFolders(state: MemoryState): void {
  const counts = new Map<NodeId, { all: number; dirs: number }>()
  const count = (parent: NodeId, dirs: number): void => {
    const known = counts.get(parent) ?? { all: 0, dirs: 0 }
    counts.set(parent, { all: known.all + 1, dirs: known.dirs + dirs })
  }
  for (const id of idsUnder(state, 'd')) {
    const above = new Set<NodeId>()
    for (let at = id; at !== ROOT;) {
      assert.ok(!above.has(at), `${id} is below itself`)
      above.add(at)
      const dir = readDir(state, at)
      assert.ok(dir, `${at}, above ${id}, is not there`)
      at = dir.parent
    }
    const dir = readDir(state, id)
    if (id !== ROOT && dir !== undefined && isDirVisible(id, dir)) count(dir.parent, 1)
  }
  for (const id of idsUnder(state, 'l')) {
    const link = readLink(state, id)
    if (link !== undefined && link.live.length > 0) count(link.parent, 0)
  }
  for (const id of idsUnder(state, 'd')) {
    const dir = readDir(state, id)
    const { all, dirs } = counts.get(id) ?? { all: 0, dirs: 0 }
    assert.deepEqual([dir?.visibleChildren, dir?.visibleDirs], [all, dirs], `counts of ${id}`)
  }
}

/**
 * Checks that every living object shows once, below directories that show; no name shows twice;
 * each is found by its name.
 */
function checkNames(site: Site): void {
  const { state } = site
  const seen = new Set<NodeId>()
  let copies = 0
  const open = [ROOT]
  for (let dir = open.pop(); dir !== undefined; dir = open.pop()) {
    const names = new Set<string>()
    for (const [name] of state.under(childPrefix(dir)))
      for (const { id } of allChildren(state, dir, name as Name)) {
        assert.ok(!seen.has(id), `${id} is in two places`)
        seen.add(id)
      }
    for (const { name, target } of site.entries(dir)) {
      assert.ok(!names.has(name), `"${nameText(name)}" shows twice`)
      names.add(name)
      assert.deepEqual(lookupName(state, dir, name, site.authorName)?.target, target)
      if (target.kind === 'dir') open.push(target.id)
    }
    copies += names.size - state.under(childPrefix(dir)).length
  }
  assert.equal(readConflictCount(state), copies, 'conflict copies')
  if (copies > 0) assert.ok(state.under(CONFLICT_PREFIX).length > 0)
  for (const id of idsUnder(state, 'l'))
    assert.equal(seen.has(id), (readLink(state, id)?.live.length ?? 0) > 0, `link ${id}`)
  for (const id of idsUnder(state, 'd')) {
    const dir = readDir(state, id)
    if (id !== ROOT && dir !== undefined) assert.equal(seen.has(id), isDirVisible(id, dir))
  }
}

/** The index of the dead is all that does not show. */
function checkDead(state: MemoryState): void {
  const dead = [
    ...idsUnder(state, 'd').filter((id) => {
      const dir = readDir(state, id)
      return dir !== undefined && !isDirVisible(id, dir)
    }),
    ...idsUnder(state, 'i').filter((id) => readInode(state, id)?.links.length === 0),
    ...idsUnder(state, 'l').filter((id) => readLink(state, id)?.live.length === 0),
  ]
  const indexed = state
    .under(DEAD_PREFIX)
    .filter(([key]) => !key.startsWith('x') && !key.startsWith('s'))
    .map(([key]) => toHex(Buffer.from(key.slice(1), 'latin1')))
  assert.deepEqual(indexed.sort(), dead.sort())
}

/**
 * Each is what the latest op on it says, of objects that are there; and those that are set are
 * listed.
 */
function checkXattrs({ state }: Site, log: readonly LoggedOp[]): void {
  const latest = new Map<string, LoggedOp>()
  const all = log.filter(({ op }) => op.kind === 'xattr')
  all.sort((a, b) => (contextOf(a).stamp < contextOf(b).stamp ? -1 : 1))
  for (const logged of all)
    if (logged.op.kind === 'xattr') latest.set(logged.op.id + logged.op.name, logged)
  const names = new Map<NodeId, XattrName[]>()
  for (const { op } of latest.values()) {
    if (op.kind !== 'xattr') continue
    const isThere = readDir(state, op.id) !== undefined || readInode(state, op.id) !== undefined
    const expected = isThere ? op.value : undefined
    assert.deepEqual(toHexOr(readXattr(state, op.id, op.name)), toHexOr(expected))
    const set = expected === undefined ? [] : [op.name]
    names.set(op.id, [...(names.get(op.id) ?? []), ...set])
  }
  for (const [id, set] of names) assert.deepEqual(readXattrNames(state, id), set.sort())
}

function toHexOr(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'not set' : toHex(bytes)
}

/**
 * A content that no op replaced or dropped is there, and shows, or one like it does, while its file
 * has a name.
 */
function checkVersions(site: Site, log: readonly LoggedOp[]): void {
  const gone = new Set<Dot>()
  const removed = new Set<Dot>()
  for (const { op } of log) {
    if (op.kind === 'unlink') for (const dot of op.versions ?? []) removed.add(dot)
    if (op.kind === 'version') for (const dot of op.base) gone.add(dot)
    if (op.kind === 'drop-version') for (const dot of op.saw) gone.add(dot)
  }
  const texts = new Map<NodeId, Set<string>>()
  for (const { target } of entriesOf(site)) {
    if (target.kind === 'dir') continue
    const inode = readInode(site.state, target.id)
    for (const link of inode === undefined ? [] : linksOf(site.state, target.id, inode))
      texts.set(link, (texts.get(link) ?? new Set()).add(site.contentText(target)))
  }
  const everywhere = new Set([...texts.values()].flatMap((all) => [...all]))
  for (const logged of log) {
    const { op } = logged
    const { dot } = contextOf(logged)
    if (op.kind !== 'version' || gone.has(dot)) continue
    const inode = readInode(site.state, op.inode)
    if (inode === undefined) continue
    const hidden = [...removedVersions(site.state, op.inode, inode)].map(({ dot: known }) => known)
    const shown = site.versions(op.inode)
    assert.ok([...shown, ...hidden].includes(dot), `version ${dot} is lost`)
    const others = [...shown, ...hidden].filter((known) => known !== dot)
    // A version removed with its file shows where nothing else would, or only such as went so.
    const mayHide = removed.has(dot) && others.length > 0
    assert.ok(shown.includes(dot) || mayHide, `version ${dot} is hidden`)
    assert.ok(
      !shown.includes(dot) || !removed.has(dot) || others.every((known) => removed.has(known)),
    )
    if (!shown.includes(dot)) continue
    const text = op.content.kind === 'inline' ? Buffer.from(op.content.bytes).toString() : ''
    if (inode.links.length > 0) assert.ok(everywhere.has(` = ${text}`), `${text} does not show`)
  }
}
