// The mounts of a node: one file system per folder, unmounted when the node stops. Whoever unmounts
// waits until what was written is durable, and is told if it is not; of a mount that somebody else
// ends the node's log says it.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { DriverName } from '../control/mounts.ts'
import type { MountStatus } from '../control/status.ts'
import type { FileContents } from '../volume/file-contents.ts'
import type { FileLocks } from '../volume/file-locks.ts'
import type { Change } from '../volume/files.ts'
import type { SnapshotFiles } from '../volume/snapshot-files.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'
import type { DriverMountOptions } from './drivers/drivers.ts'
import type { FileSystem, MountedFileSystem } from './file-system.ts'
import { VolumeFileSystem } from './operations.ts'
import type { ShownOwner } from './shown-owner.ts'
import { SnapshotFolders } from './snapshot-folders.ts'
import { WithSnapshots } from './with-snapshots.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Programs that read much hold the kernel up: whoever waits for it goes on after so long. */
const TOLD_MS: number = SECOND_MS / 2

/** Makes a kernel mount: a driver. */
export type Mounter = (
  fileSystem: FileSystem,
  folder: string,
  options: DriverMountOptions,
) => Promise<MountedFileSystem>

interface MountedVolume {
  readonly volume: VolumeId
  readonly status: () => MountStatus
  readonly mounted: MountedFileSystem
  /** Resolves when the mount is gone, and what was written is durable. */
  readonly over: Promise<void>
}

export interface MountableVolume {
  readonly namespace: Namespace
  readonly contents: FileContents
  readonly snapshots: SnapshotFiles
  readonly changing: (signal: AbortSignal) => Change
  /** Those of all nodes, where the volume has such. */
  readonly locks: FileLocks | undefined
}

export interface VolumeMountOptions {
  /** Its name on this node, which may change. */
  readonly volumeName: () => string
  readonly readOnly: boolean
  readonly allowOther: boolean
  readonly nonEmpty: boolean
  /** The object shown as the root; the volume's root if undefined. */
  readonly root: ViewTarget | undefined
  readonly owner: ShownOwner
  /** How long reading waits for peers that have the data (ReadTimeouts). */
  readonly waitMs: number | undefined
  /** close(2) waits for the disk, whatever the volume is set to. */
  readonly isSynced: boolean
  readonly driver: DriverName | undefined
}

export interface MountsComponents {
  readonly clock: Clock
  readonly mounter: Mounter | undefined
  readonly store: Pick<Store, 'space'>
  readonly log: WriteLog
}

export class Mounts {
  readonly #c: MountsComponents
  readonly #mounts = new Map<string, MountedVolume>()

  constructor(components: MountsComponents) {
    this.#c = components
  }

  list(): readonly MountStatus[] {
    return [...this.#mounts.values()].map(({ status }) => status())
  }

  /**
   * Resolves when the mounts of a volume show what was changed so far; after TOLD_MS whatever the
   * kernel does.
   */
  async told(volume: VolumeId): Promise<void> {
    const mounts = [...this.#mounts.values()].filter((one) => one.volume === volume)
    if (mounts.length === 0) return
    const late = Promise.withResolvers<void>()
    const timer = this.#c.clock.timer(TOLD_MS, late.resolve)
    const all = Promise.all(mounts.map(({ mounted }) => mounted.invalidator.settled()))
    await Promise.race([all, late.promise])
    timer.cancel()
  }

  /** throws ShoalError 'mount-failed', 'EBUSY'. */
  async mount(
    folder: string,
    volume: MountableVolume,
    options: VolumeMountOptions,
  ): Promise<MountStatus> {
    const { clock, mounter, store, log } = this.#c
    if (mounter === undefined) throw new ShoalError('unsupported', 'this node cannot mount')
    if (this.#mounts.has(folder))
      throw new ShoalError('EBUSY', `${folder}: already mounted by this node`)
    const { namespace, locks } = volume
    const changing = (signal: AbortSignal): Change => volume.changing(signal)
    const { volumeName, readOnly, allowOther, nonEmpty, root, owner, driver, isSynced } = options
    const contents = volume.contents.patient({ clock, waitMs: options.waitMs })
    const parts = { namespace, contents, store, changing, locks, root, owner, isSynced }
    const fileSystem = new WithSnapshots({
      inner: new VolumeFileSystem(parts),
      folders: new SnapshotFolders({ namespace, contents, snapshots: volume.snapshots, owner }),
      onSnapshots: (listener) => namespace.volume.events.snapshots.add(listener),
    })
    const mounted = await mounter(fileSystem, folder, {
      readOnly,
      nonEmpty,
      driver,
      allowOther,
    })
    fileSystem.invalidateThrough(mounted.invalidator)
    const status = (): MountStatus => ({ folder, volume: volumeName(), readOnly, allowOther })
    const over = mounted.ended.then(() => {
      this.#mounts.delete(folder)
      return fileSystem.close()
    })
    this.#mounts.set(folder, { volume: namespace.volume.id, status, mounted, over })
    over.catch((error: unknown) => {
      const { code, message } = asShoalError(error)
      log('mount.write-lost', { folder, code, message })
    })
    return status()
  }

  /**
   * folder: as it was named, or without symlinks. throws ShoalError 'ENOENT' if nothing is mounted
   * there, 'EBUSY' unless `force`.
   */
  async unmount(folder: string, force: boolean): Promise<void> {
    const mounts = [...this.#mounts.values()]
    const mount =
      this.#mounts.get(folder) ?? mounts.find(({ mounted }) => mounted.folder === folder)
    if (mount === undefined) {
      throw new ShoalError('ENOENT', `${folder}: not a mount of this node; see "shoal status"`)
    }
    await mount.mounted.unmount({ force })
    await mount.over
  }

  /**
   * End all mounts, busy ones by force: the node is going away. Each is tried, the first failure is
   * thrown at the end.
   */
  async stop(): Promise<void> {
    const ends = await Promise.allSettled(
      [...this.#mounts.values()].map(async ({ mounted, over }) => {
        await mounted.unmount().catch(() => mounted.unmount({ force: true }))
        await over
      }),
    )
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
}
