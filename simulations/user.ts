// A user of one node: asks it for one thing after the other, and tells the oracle what was meant,
// what was in view, and what the node answered. Refusals that a user of a file system expects are
// counted; any other error fails the run.
import { utf8 } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { MINUTE_MS } from '../protocol/units.ts'
import { CheckError } from './check-error.ts'
import { chooseOp, longWork } from './choice.ts'
import { readVolume } from './inspection.ts'
import { withInode, writeAndClose } from './mount.ts'
import { SeededRandom } from './random.ts'
import { describeOp } from './script.ts'
import { baseOf, inView, isFolder, isOwn, sizeAt } from './shown.ts'
import type { ClusterNode } from './cluster.ts'
import type { Contents } from './content.ts'
import type { MadeSnapshots } from './snapshot-check.ts'
import type { LogWatch } from './log-watch.ts'
import type { Oracle } from './oracle.ts'
import type { Action, UserOp } from './script.ts'
import type { StrongHistory, StrongOp } from './strong-calls.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { FileSystem } from '../node/mount/file-system.ts'
import type { ActorTable } from '../node/replica/actors.ts'
import type { Clock } from '../node/world/world.ts'
import type { VersionVector } from '../protocol/clock/vector-clock.ts'
import type { ErrorCode } from '../protocol/errors.ts'

/** An op that takes longer hangs. */
const OP_LIMIT_MS: number = 10 * MINUTE_MS
/** After which a user breaks off what goes on and on. */
const PATIENCE_MS: number = 5 * MINUTE_MS
const PART_BYTES: number = 64 * 1024

const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ENOENT',
  'EEXIST',
  'ENOTDIR',
  'EISDIR',
  'ENOTEMPTY',
  'ENODATA',
  'EINVAL',
  'EBUSY',
  'EXDEV',
  'ESTALE',
  'not-placed',
  'chunk-unavailable',
  'stripe-unrecoverable',
  'unreachable',
  'timeout',
  'stopped',
  'NO_QUORUM',
  'EPERM',
  'EACCES',
  'cold-unreachable',
  'cold-denied',
  'cold-gone',
  'cold-missing',
  'cold-corrupt',
  'cold-archived',
])

/** Counted over all users. */
export interface Tally {
  opCount: number
  refusedCount: number
}

export interface UserComponents {
  readonly node: ClusterNode
  /** All there are. */
  readonly nodes: readonly ClusterNode[]
  readonly clock: Clock
  readonly oracle: Oracle
  readonly log: LogWatch
  readonly history: StrongHistory
  readonly contents: Contents
  readonly snapshots: MadeSnapshots
  readonly tally: Tally
}

type Write = Extract<UserOp, { kind: 'write' }>
type XattrOp = Extract<UserOp, { kind: 'xattr' }>
type CloseOp = Extract<UserOp, { kind: 'close' }>

export class User {
  readonly #c: UserComponents
  #turn: Promise<void> = Promise.resolve()

  constructor(components: UserComponents) {
    this.#c = components
  }

  /**
   * Do what `action` says once the op before it has ended. `decided` is told of the op that it came
   * to.
   */
  async act(
    action: Extract<Action, { do: 'op' | 'try' }>,
    decided: (op: UserOp) => void,
  ): Promise<void> {
    const before = this.#turn
    const now = before.then(async () => {
      const op = action.do === 'op' ? action.op : await this.#choose(action)
      if (op === undefined) return
      decided(op)
      await this.#perform(op)
    })
    this.#turn = now
    await now
  }

  /** Undefined while the node is down. */
  async #choose({ kind, draw }: Extract<Action, { do: 'try' }>): Promise<UserOp | undefined> {
    const { node, nodes, contents } = this.#c
    if (!node.isMember) return undefined
    const nodeCount = nodes.length
    const random = new SeededRandom(node.machine.process.scheduler.seed, `op ${draw}`)
    try {
      return await node.ask((api) =>
        chooseOp(kind, node.name, { api, random, contents, nodeCount }),
      )
    } catch (error) {
      if (this.#isRefusal(error)) return undefined
      throw error
    }
  }

  /** throws CheckError when it does not end, or fails as no op should. */
  async #perform(op: UserOp): Promise<void> {
    const { node, clock, tally } = this.#c
    if (!node.isMember) return
    const what = `${node.name}: ${describeOp(op)}`
    tally.opCount++
    const limit = new AbortController()
    const hung = clock.sleep(OP_LIMIT_MS, { signal: limit.signal }).then(
      () => {
        throw new CheckError('operations end', `${what} has not ended after ${OP_LIMIT_MS} ms`)
      },
      () => undefined,
    )
    try {
      await Promise.race([this.#make(op, what), hung])
    } catch (error) {
      if (error instanceof CheckError) throw error
      if (!this.#isRefusal(error)) {
        throw new CheckError('operations fail as documented', `${what}: ${String(error)}`, {
          cause: error,
        })
      }
      tally.refusedCount++
    } finally {
      limit.abort()
    }
  }

  async #make(op: UserOp, what: string): Promise<void> {
    const { node, history, oracle } = this.#c
    if (op.kind === 'xattr')
      return await node.askMount((mount) =>
        withInode(mount, op.path, (inode) => this.#setXattr(mount, inode, op, what)),
      )
    if (op.kind === 'close') return this.#close(op, what)
    if (op.kind !== 'strong') return await node.ask((api) => this.#ask(api, op, what))
    if (op.sizeBytes !== undefined) oracle.begins(op.sizeBytes, op.path, node.name)
    await history.make(op, node.name, (run) => node.ask(run))
  }

  async #ask(
    api: NodeApi,
    op: Exclude<UserOp, StrongOp | XattrOp | CloseOp>,
    what: string,
  ): Promise<void> {
    const { node, oracle } = this.#c
    switch (op.kind) {
      case 'folder':
        return api.makeFolder(op.path, { parents: op.parents })
      case 'write':
        return this.#write(api, op, what)
      case 'move': {
        const to = (await isFolder(api, op.to)) ? `${op.to}/${baseOf(op.from)}` : op.to
        if (to === op.from) return api.move(op.from, op.to)
        const paths = { replaced: to, moved: op.from }
        return this.#take(api, paths, what, () => api.move(op.from, op.to))
      }
      case 'remove': {
        if (!op.recursive)
          return this.#take(api, { replaced: op.path }, what, () => api.remove(op.path))
        oracle.covers(await inView(api, op.path), what)
        return await this.#sweeping(() => api.remove(op.path, { recursive: true }))
      }
      case 'discard': {
        const { path, sizeBytes, by } = op
        await this.#write(api, { kind: 'write', path, sizeBytes, ack: 'local' }, what)
        return this.#ask(
          api,
          by === undefined
            ? { kind: 'remove', path, recursive: false }
            : { kind: 'move', from: by, to: path },
          what,
        )
      }
      case 'attributes':
        return api.setAttributes(op.path, { mode: op.mode })
      case 'read':
        return this.#read(api, op.path)
      case 'keep': {
        const kept = await sizeAt(api, op.path)
        if (kept !== undefined) oracle.keeps(kept)
        oracle.covers(
          (await inView(api, op.path)).filter((size) => size !== kept),
          what,
        )
        return await this.#sweeping(() => api.keepConflict(op.path).then(() => undefined))
      }
      case 'roam':
        return this.#roam(api, op, what)
      case 'snapshot':
      case 'clone':
        return await this.#c.snapshots.perform(api, op, { node: node.name, clock: this.#c.clock })
      case 'push':
      case 'recall':
      case 'collect':
        for await (const page of longWork(api, op, this.#c.clock.timeout(PATIENCE_MS))) void page
        return
      case 'set': {
        const [volume] = await api.listVolumes()
        if (volume !== undefined) await api.setVolume(volume.id, op.settings)
      }
    }
  }

  /**
   * Takes names away, with what is under the first, which is not to come back. What shows beside it
   * stays, and is said again, as is what the other stands for; but what came while it was done may
   * have had the name.
   */
  async #take(
    api: NodeApi,
    { replaced, moved }: { readonly replaced: string; readonly moved?: string },
    what: string,
    act: () => Promise<void>,
  ): Promise<void> {
    const { node, oracle } = this.#c
    const before = await this.#heard()
    const all = await inView(api, replaced)
    const size = await sizeAt(api, replaced)
    if (size !== undefined) oracle.covers([size], what)
    for (const path of moved === undefined ? [replaced] : [replaced, moved]) {
      const sides = await inView(api, path)
      for (const side of sides) if (path === moved || side !== size) oracle.keeps(side)
      if (path === moved) oracle.renames(path)
      if (sides.length > 1) oracle.copiesXattrs(await this.#xattrValues(path))
    }
    let isAlone = false
    try {
      await this.#sweeping(act)
      isAlone = before !== undefined && before === (await this.#heard())
    } finally {
      if (!isAlone) oracle.covers(all, what)
    }
    if (isAlone && size !== undefined) oracle.replaced(size, { node: node.name, what })
  }

  /** Does what may also remove contents that come meanwhile. */
  async #sweeping(act: () => Promise<void>): Promise<void> {
    const before = await this.#held()
    try {
      await act()
    } finally {
      this.#c.oracle.swept({ before, after: await this.#held() })
    }
  }

  /** Writes a file through the mount. What a close promises is told of nobody else's files. */
  async #close(op: CloseOp, what: string): Promise<void> {
    const { node, oracle, contents, clock } = this.#c
    const size = contents.take(op.sizeBytes)
    const old = await node.ask((api) => sizeAt(api, op.path))
    oracle.begins(size, op.path, node.name)
    if (old !== undefined) oracle.covers([old], what)
    const bytes = contents.bytes(size)
    await this.#sweeping(() => node.askMount((mount) => writeAndClose(mount, op.path, bytes)))
    if (isOwn(op.path)) oracle.kept(size, clock.now())
  }

  /** Sets an attribute, and checks that values once replaced do not come back. */
  async #setXattr(
    mount: FileSystem,
    inode: number,
    { name, value }: XattrOp,
    what: string,
  ): Promise<void> {
    const { node, oracle } = this.#c
    const before = await mount.getXattr(inode, name)
    if (value === undefined) {
      await mount.removeXattr(inode, name)
    } else {
      oracle.setsXattr(value)
      await mount.setXattr(inode, name, utf8(value), { flags: 0, keepsSetGid: true })
    }
    await mount.syncFolder(inode)
    if (before !== undefined)
      oracle.replacedXattr(Buffer.from(before).toString(), { node: node.name, what })
  }

  /** Nobody else touches the file: whoever has seen the session sees what was written in it. */
  async #roam(api: NodeApi, op: Extract<UserOp, { kind: 'roam' }>, what: string): Promise<void> {
    const there = this.#c.nodes[op.to]
    let session: string | undefined
    const onSession = (token: string): void => void (session = token)
    await this.#write(api, { ...op, kind: 'write', ack: 'local' }, what, onSession)
    if (there?.isMember !== true) return
    const options = { session, consistency: 'read-own' } as const
    const size = await there.ask(async (other) => await sizeAt(other, op.path, options))
    if (size === op.sizeBytes) return
    const invariant = '27 a session sees its own writes'
    throw new CheckError(invariant, `${what}, and ${there.name} shows ${size ?? 'nothing'}`)
  }

  async #write(
    api: NodeApi,
    op: Write,
    what: string,
    onSession?: (token: string) => void,
  ): Promise<void> {
    const { node, oracle, contents, log } = this.#c
    const size = contents.take(op.sizeBytes)
    const old = await sizeAt(api, op.path)
    oracle.begins(size, op.path, node.name)
    if (old !== undefined) oracle.covers([old], what)
    const bytes = inParts(contents.bytes(size))
    // Who asks for a session has it made durable, whatever the acknowledgement waits for.
    const options = { ack: op.ack, ...(onSession && { onSession }) }
    // It replaces what is there when all of it has come.
    await this.#sweeping(() => api.writeFile(op.path, bytes, {}, options))
    const durable = op.ack !== 'none'
    if (durable) node.machine.process.acknowledged()
    oracle.wrote(size, { durable, position: durable ? log.lastOf(node.name) : undefined })
    if (durable && old !== undefined) oracle.replaced(old, { node: node.name, what })
  }

  /** Reads a file, and checks that somebody wrote its content. */
  async #read(api: NodeApi, path: string): Promise<void> {
    const { stat, content } = await api.readFile(path)
    const parts: Uint8Array[] = []
    for await (const part of content) parts.push(part.slice())
    const { contents, oracle } = this.#c
    // Its content may be on the way.
    if (stat.sizeBytes === 0) return
    // Until it hears of a removal, a node takes what that member writes.
    if (contents.isContent(stat.sizeBytes, parts) || oracle.isBanned(path)) return
    throw new CheckError('contents are true', `${this.#c.node.name} reads other bytes at ${path}`)
  }

  /** Entries that the node has in its store. */
  async #held(): Promise<VersionVector> {
    return (await this.#actors())?.vector() ?? new Map()
  }

  /** Entries of others in its store, to compare. */
  async #heard(): Promise<string | undefined> {
    const actors = await this.#actors()
    const own = this.#c.node.machine.identity.peer
    const others = [...(actors?.vector() ?? [])].flatMap(([actor, seq]) =>
      actors?.get(actor)?.peer === own ? [] : [`${actor} ${seq}`],
    )
    return actors && others.sort().join()
  }

  async #actors(): Promise<ActorTable | undefined> {
    const { kv, identity } = this.#c.node.machine
    return (await readVolume(kv, identity))?.replica.actors
  }

  /** Values of the extended attributes of a file, as far as there are any. */
  async #xattrValues(path: string): Promise<readonly string[]> {
    try {
      return await this.#c.node.askMount((mount) =>
        withInode(mount, path, async (inode) => {
          const names = await mount.listXattrs(inode)
          const values = await Promise.all(names.map((name) => mount.getXattr(inode, name)))
          return values.map((value) => Buffer.from(value ?? []).toString())
        }),
      )
    } catch (error) {
      if (this.#isRefusal(error)) return []
      throw error
    }
  }

  #isRefusal(error: unknown): boolean {
    // Nothing is promised to who was a member.
    return error instanceof ShoalError && (REFUSALS.has(error.code) || !this.#c.node.isMember)
  }
}

export async function* inParts(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += PART_BYTES)
    yield content.subarray(at, at + PART_BYTES)
}
