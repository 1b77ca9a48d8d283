// The calls of a node's owner about mounts on this machine.
import { call } from './route.ts'
import type { CallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'
import type { MountStatus } from './status.ts'

/** The greatest id of a user or group; the one above says 'none'. */
const OWNER_MAX: number = 2 ** 32 - 2

export interface MountsApi {
  /**
   * Mount a volume's namespace at an existing or new folder of this machine (absolute). throws
   * 'mount-failed', 'EBUSY'.
   */
  mount(folder: string, options?: CallOptions & MountRequest): Promise<MountStatus>
  /** throws 'ENOENT' if not mounted by this node, 'EBUSY' unless `force`. */
  unmount(
    folder: string,
    options?: CallOptions & { readonly force?: boolean | undefined },
  ): Promise<void>
  listMounts(options?: CallOptions): Promise<readonly MountStatus[]>
}

export const mountsRoutes: RoutesOf<MountsApi> = {
  mount: call(['folder'], ({ folder, volume, flag, path, integer, text, oneOf }) => ({
    folder,
    volume,
    readOnly: flag,
    allowOther: flag,
    subdir: path.optional(),
    uid: integer(0, OWNER_MAX).optional(),
    gid: integer(0, OWNER_MAX).optional(),
    umask: integer(0, 0o777).optional(),
    nonEmpty: flag,
    cacheSize: text(0).optional(),
    waitMs: integer(1).optional(),
    sync: oneOf(['fsync', 'always']).optional(),
    driver: oneOf(['kernel', 'fuse-native']).optional(),
  })),
  unmount: call(['folder'], ({ folder, flag }) => ({ folder, force: flag })),
  listMounts: call([], () => ({})),
}

/**
 * The driver of a mount. kernel: Linux's own protocol. fuse-native: libfuse 2, an optional package
 * (docs/mount.md).
 */
export type DriverName = 'kernel' | 'fuse-native'

/** The calls that wait for the disk: fsync(2) alone, or close(2) too. */
export type Syncing = 'fsync' | 'always'

export interface MountRequest {
  readonly volume?: string | undefined
  readonly readOnly?: boolean | undefined
  /** Let other users of the machine in. Default: no. */
  readonly allowOther?: boolean | undefined
  /** Show this folder of the volume as the root. */
  readonly subdir?: string | undefined
  /** The owner that all files show, and get when made here; without, as stored. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Permission bits that nothing shows. */
  readonly umask?: number | undefined
  /** Mount over what is in the folder. */
  readonly nonEmpty?: boolean | undefined
  /**
   * Reading waits so long for peers that have the data, then fails; without, for one answer of at
   * most 30 s.
   */
  readonly waitMs?: number | undefined
  /**
   * A size: what the node may keep of what it fetches to be read, for all its mounts and until it
   * stops.
   */
  readonly cacheSize?: string | undefined
  /**
   * The calls that wait until the disk has what was written: fsync(2) alone, or close(2) too.
   * Default: as the volume is set.
   */
  readonly sync?: Syncing | undefined
  /** Undefined: that of the platform. */
  readonly driver?: DriverName | undefined
}
