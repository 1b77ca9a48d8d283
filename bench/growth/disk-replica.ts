// One node's part of a volume on this disk, in this process: the real store and volume, without a
// network. Its home is one that `shoal up` starts from.
import { join } from 'node:path'
import { utf8 } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { Identity } from '../../protocol/signed.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { initHome } from '../../node/home.ts'
import { Namespace } from '../../node/tree/namespace.ts'
import type { Volume } from '../../node/log/volume.ts'
import { Volumes } from '../../node/log/volumes.ts'
import type { KvWrite } from '../../node/store/kv.ts'
import { LevelKv } from '../../node/store/level-kv.ts'
import { Store } from '../../node/store/store.ts'
import { SystemClock } from '../../node/world/clock.ts'
import { SystemDisk } from '../../node/world/disk.ts'
import { SystemRandom } from '../../node/world/random.ts'

/** The store as its volume sees it. */
class WatchedStore {
  readonly kv: LevelKv
  /**
   * Off while a log is prepared: commits are written, and not waited for until the disk has them.
   */
  durable = true
  /** Told of each batch before it is written. */
  onCommit: (writes: readonly KvWrite[]) => void = () => undefined
  readonly #store: Store

  constructor(kv: LevelKv, store: Store) {
    this.kv = kv
    this.#store = store
  }

  async commit(writes: readonly KvWrite[]): Promise<void> {
    this.onCommit(writes)
    if (this.durable) await this.#store.commit(writes)
    else await this.kv.write(writes, { sync: false })
  }

  async close(): Promise<void> {
    await this.#store.close()
    await this.kv.close()
  }
}

/** Disposing closes it; its files are the caller's to remove. */
export class DiskReplica implements AsyncDisposable {
  readonly identity: Identity
  readonly clock: SystemClock
  readonly random: SystemRandom
  readonly store: WatchedStore
  readonly volumes: Volumes
  #namespace: Namespace | undefined

  private constructor(parts: Parts) {
    this.identity = parts.identity
    this.clock = parts.clock
    this.random = parts.random
    this.store = parts.store
    this.volumes = parts.volumes
  }

  /** A new home where test/cluster/cluster.ts has that of a node of this name. */
  static async open(folder: string, name: string): Promise<DiskReplica> {
    const home = join(folder, name, 'home')
    const { seed } = await initHome(home, { name, mdns: false })
    const kv = await LevelKv.open(join(home, 'index'))
    const [clock, random] = [new SystemClock(), new SystemRandom()]
    const disk = new SystemDisk(home)
    const store = new WatchedStore(kv, await Store.open({ disk, clock, kv }))
    const identity = identityFromSeed(seed)
    const self = { name, zone: '', capacityBytes: 1e9 }
    const volumes = await Volumes.open({ world: { clock, random }, store, identity }, self)
    return new DiskReplica({ identity, clock, random, store, volumes })
  }

  /** One that has made a volume. */
  static async founder(folder: string, name: string): Promise<DiskReplica> {
    const replica = await DiskReplica.open(folder, name)
    await replica.volumes.create('main')
    return replica
  }

  /** One that was admitted to this one's volume and has none of its log yet. */
  async member(folder: string, name: string): Promise<DiskReplica> {
    const joiner = await DiskReplica.open(folder, name)
    const reply = await this.volumes.admit(this.volume.id, joiner.identity.peer, 'writer')
    await joiner.volumes.adopt(reply, 'writer')
    return joiner
  }

  get volume(): Volume {
    return this.volumes.find(undefined).volume
  }

  get namespace(): Namespace {
    return (this.#namespace ??= new Namespace({ volume: this.volume, random: this.random }))
  }

  /** A new file of a few bytes. */
  write(dir: NodeId, name: string, text: string): Extract<ViewTarget, { kind: 'inode' }> {
    const { namespace } = this
    const target = namespace.create(dir, nameFromText(name), { mode: 0o644, uid: 0, gid: 0 })
    const content = { kind: 'inline', bytes: utf8(text) } as const
    const modifiedNs = namespace.nowNs()
    namespace.putVersion(target.id, { content, size: text.length, base: [], modifiedNs })
    return target
  }

  /** So many new files of a few bytes, in the root, or in new folders of `perFolder`. */
  async fill(count: number, perFolder: number = Infinity): Promise<void> {
    let dir: NodeId = ROOT
    for (let file = 0; file < count; file++) {
      if (perFolder < Infinity && file % perFolder === 0)
        dir = this.namespace.makeDir(ROOT, nameFromText(`folder ${file}`), { mode: 0o755 })
      this.write(dir, `file ${file}`, `content of file ${file}`)
      await this.volume.makeRoom()
    }
    await this.volume.commit()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.volumes.close()
    await this.store.close()
  }
}

interface Parts {
  readonly identity: Identity
  readonly clock: SystemClock
  readonly random: SystemRandom
  readonly store: WatchedStore
  readonly volumes: Volumes
}
