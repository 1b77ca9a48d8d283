// The replicated tree: replicas that have applied the same ops in any order that respects causality hold equal records.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { nextHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import { makeDot, makeStamp } from '../../protocol/log/dot.ts'
import { applyOp, emptyChanges, ensureRoot } from '../../protocol/tree/apply.ts'
import { MoveLog } from '../../protocol/tree/moves.ts'
import { nameFromText } from '../../protocol/tree/names.ts'
import type { TreeOp } from '../../protocol/tree/op.ts'
import { ROOT, readChildren, readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { WallTime } from '../../protocol/units.ts'

class MemoryState implements StateStore {
  readonly records = new Map<string, Uint8Array>()
  get(key: string): Uint8Array | undefined {
    return this.records.get(key)
  }
  put(key: string, value: Uint8Array): void {
    this.records.set(key, value)
  }
  delete(key: string): void {
    this.records.delete(key)
  }
  /** Everything, in key order. */
  dump(): string {
    return [...this.records]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${toHex(Buffer.from(key, 'latin1'))}=${toHex(value)}`)
      .join('\n')
  }
}

interface LoggedOp {
  readonly op: TreeOp
  readonly actor: number
  readonly seq: number
  readonly hlc: Hlc
  /** Per actor how many ops were in its past. */
  readonly past: readonly number[]
}

const actorId = (n: number): ActorId => n.toString(16).padStart(2, '0').repeat(16) as ActorId
const idOf = (text: string): NodeId =>
  Buffer.from(text.padEnd(16, '.')).subarray(0, 16).toString('hex') as NodeId

class Replica {
  readonly state = new MemoryState()
  readonly moves = new MoveLog()
  readonly held: number[]
  hlc: Hlc = 0n as Hlc

  constructor(actors: number) {
    this.held = Array.from({ length: actors }, () => 0)
    ensureRoot(this.state)
  }

  apply(logged: LoggedOp): void {
    const actor = actorId(logged.actor)
    const context = {
      dot: makeDot(actor, logged.seq, 0),
      stamp: makeStamp(logged.hlc, actor, 0),
    }
    applyOp(this.state, this.moves, logged.op, context, emptyChanges())
    this.held[logged.actor] = logged.seq
    if (logged.hlc > this.hlc) this.hlc = logged.hlc
  }

  make(actor: number, op: TreeOp, wallMs: number): LoggedOp {
    const past = [...this.held]
    const hlc = nextHlc(this.hlc, wallMs as WallTime)
    const logged = { op, actor, seq: (this.held[actor] ?? 0) + 1, hlc, past }
    this.apply(logged)
    return logged
  }
}

const DIRS = ['a', 'b', 'c', 'd'] as const
const FILES = ['f', 'g', 'h'] as const
const at = <T>(list: readonly T[], i: number): T => list[i % list.length] as T

/** Some op that makes sense, or not, in the replica's state. */
function chooseOp(
  replica: Replica,
  actor: number,
  seq: number,
  pick: readonly number[],
): TreeOp | undefined {
  const [kind = 0, x = 0, y = 0, z = 0] = pick
  const dirs = [ROOT, ...DIRS.map(idOf)].filter((id) => readDir(replica.state, id) !== undefined)
  const parent = at(dirs, x)
  const dir = idOf(at(DIRS, y))
  const name = nameFromText(at(['n1', 'n2', 'é'], z))
  const links = [...replica.state.records.keys()]
    .filter((key) => key.startsWith('l'))
    .sort()
    .map((key) => toHex(Buffer.from(key.slice(1), 'latin1')) as NodeId)
  const link = links.length === 0 ? undefined : at(links, y)
  switch (kind % 8) {
    case 0:
      return {
        kind: 'mkdir',
        id: dir,
        parent: ROOT,
        // One directory, made under two spellings of one name.
        name: nameFromText(`${at(DIRS, y)}${z % 2 === 0 ? 'é' : 'e\u0301'}`),
        attributes: { mode: 0o700 + z },
      }
    case 1: {
      const unique = `${at(FILES, y)}${actor}${seq}`
      return {
        kind: 'create',
        inode: idOf(`i${unique}`),
        link: idOf(`l${unique}`),
        parent,
        name,
        attributes: {},
        target: undefined,
      }
    }
    case 2:
    case 3: {
      const record = readDir(replica.state, dir)
      if (record === undefined) return undefined
      return { kind: 'move-dir', id: dir, from: record.parent, parent, name, saw: record.live }
    }
    case 4: {
      const record = link === undefined ? undefined : readLink(replica.state, link)
      if (link === undefined || record === undefined) return undefined
      return { kind: 'move', link, from: record.parent, parent, name, saw: record.live }
    }
    case 5: {
      const record = link === undefined ? undefined : readLink(replica.state, link)
      if (link === undefined || record === undefined) return undefined
      return { kind: 'unlink', link, from: record.parent, saw: record.live }
    }
    case 6: {
      const record = readDir(replica.state, dir)
      if (record === undefined || record.visibleChildren > 0) return undefined
      return { kind: 'rmdir', id: dir, from: record.parent, saw: record.live }
    }
    default: {
      const record = link === undefined ? undefined : readLink(replica.state, link)
      const inode = record === undefined ? undefined : readInode(replica.state, record.inode)
      if (link === undefined || record === undefined || inode === undefined) return undefined
      return {
        kind: 'version',
        inode: record.inode,
        base: inode.versions.map((version) => version.dot),
        size: 1,
        content: { kind: 'inline', bytes: Uint8Array.of(z) },
        modifiedNs: BigInt(seq),
        touch: inode.links.map((id) => ({
          link: id,
          saw: readLink(replica.state, id)?.live ?? [],
        })),
      }
    }
  }
}

const ACTORS = 3
const script = fc.array(
  fc.record({
    actor: fc.nat(ACTORS - 1),
    pick: fc.array(fc.nat(1000), { minLength: 4, maxLength: 4 }),
    wall: fc.nat(20),
    receiveFrom: fc.option(fc.nat(ACTORS - 1)),
  }),
  { maxLength: 60 },
)

/** Run a script on ACTORS replicas that exchange now and then; returns the log of each actor. */
function run(
  steps: ReturnType<
    typeof fc.sample<typeof script extends fc.Arbitrary<infer S> ? S : never>
  >[number],
): {
  replicas: Replica[]
  logs: LoggedOp[][]
} {
  const replicas = Array.from({ length: ACTORS }, () => new Replica(ACTORS))
  const logs: LoggedOp[][] = Array.from({ length: ACTORS }, () => [])
  for (const { actor, pick, wall, receiveFrom } of steps) {
    const replica = replicas[actor] as Replica
    if (receiveFrom !== null && receiveFrom !== actor)
      catchUp(replica, logs, (replicas[receiveFrom] as Replica).held)
    const op = chooseOp(replica, actor, (replica.held[actor] ?? 0) + 1, pick)
    if (op !== undefined) (logs[actor] as LoggedOp[]).push(replica.make(actor, op, wall))
  }
  return { replicas, logs }
}

/** Apply what is in `held` and missing, in an order that respects causality; `prefer` varies it. */
function catchUp(
  replica: Replica,
  logs: LoggedOp[][],
  held: readonly number[],
  prefer: readonly number[] = [0, 1, 2],
): void {
  for (let progress = true; progress;) {
    progress = false
    for (const actor of prefer) {
      const next = logs[actor]?.[replica.held[actor] ?? 0]
      if (next === undefined || next.seq > (held[actor] ?? 0)) continue
      if (!next.past.every((seq, other) => other === actor || (replica.held[other] ?? 0) >= seq))
        continue
      replica.apply(next)
      progress = true
    }
  }
}

describe('protocol/tree', () => {
  test('replicas that hold the same ops hold equal records, whatever the order', () => {
    fc.assert(
      fc.property(script, (steps) => {
        const { replicas, logs } = run(steps)
        const all = logs.map((log) => log.length)
        for (const replica of replicas) catchUp(replica, logs, all)
        const orders = [
          [0, 1, 2],
          [2, 1, 0],
          [1, 2, 0],
        ]
        const fresh = orders.map((prefer) => {
          const replica = new Replica(ACTORS)
          catchUp(replica, logs, all, prefer)
          return replica
        })
        const expected = replicas[0]?.state.dump()
        for (const replica of [...replicas, ...fresh]) assert.equal(replica.state.dump(), expected)
      }),
      { numRuns: 500 },
    )
  })

  test('the directory graph has no cycle and counts are true', () => {
    fc.assert(
      fc.property(script, (steps) => {
        const { replicas, logs } = run(steps)
        const all = logs.map((log) => log.length)
        const replica = replicas[0] as Replica
        catchUp(replica, logs, all)
        checkTree(replica.state)
      }),
      { numRuns: 500 },
    )
  })

  test('a write at the same time as an unlink brings the file back', () => {
    const a = new Replica(2)
    const b = new Replica(2)
    const file = idOf('i')
    const link = idOf('l')
    const name = nameFromText('file')
    const create = a.make(
      0,
      { kind: 'create', inode: file, link, parent: ROOT, name, attributes: {}, target: undefined },
      1,
    )
    b.apply(create)
    const saw = readLink(a.state, link)?.live ?? []
    const unlink = a.make(0, { kind: 'unlink', link, from: ROOT, saw }, 2)
    const content = { kind: 'inline', bytes: Uint8Array.of(7) } as const
    const version = {
      kind: 'version',
      inode: file,
      base: [],
      size: 1,
      content,
      modifiedNs: 5n,
      touch: [{ link, saw }],
    } as const
    const write = b.make(1, version, 2)
    a.apply(write)
    b.apply(unlink)
    assert.equal(a.state.dump(), b.state.dump())
    assert.deepEqual(readChildren(a.state, ROOT, name), [{ kind: 'link', id: link }])
  })
})

function checkTree(state: MemoryState): void {
  const dirs = [...state.records.keys()]
    .filter((key) => key.startsWith('d'))
    .map((key) => toHex(Buffer.from(key.slice(1), 'latin1')) as NodeId)
  const children = new Map<NodeId, number>()
  for (const id of dirs) {
    const seen = new Set<NodeId>()
    for (let walk = id; walk !== ROOT;) {
      assert.ok(!seen.has(walk), 'cycle')
      seen.add(walk)
      walk = readDir(state, walk)?.parent ?? ROOT
    }
    const dir = readDir(state, id)
    const visible =
      id !== ROOT && dir !== undefined && (dir.live.length > 0 || dir.visibleChildren > 0)
    if (dir !== undefined && visible) children.set(dir.parent, (children.get(dir.parent) ?? 0) + 1)
  }
  for (const key of [...state.records.keys()].filter((k) => k.startsWith('l'))) {
    const link = readLink(state, toHex(Buffer.from(key.slice(1), 'latin1')) as NodeId)
    if (link !== undefined && link.live.length > 0)
      children.set(link.parent, (children.get(link.parent) ?? 0) + 1)
  }
  for (const id of dirs) assert.equal(readDir(state, id)?.visibleChildren, children.get(id) ?? 0)
}
