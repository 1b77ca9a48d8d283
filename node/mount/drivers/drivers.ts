// Which driver mounts.
import type { DriverName } from '../../control/mounts.ts'
import type { FileSystem, MountOptions, MountedFileSystem } from '../file-system.ts'

export interface DriverMountOptions extends MountOptions {
  readonly driver?: DriverName | undefined
}

/** Mount by a driver; without one, by that of the platform. throws as the drivers do. */
export async function mountBy(
  fileSystem: FileSystem,
  folder: string,
  options: DriverMountOptions,
): Promise<MountedFileSystem> {
  const { driver = process.platform === 'linux' ? 'kernel' : 'fuse-native' } = options
  switch (driver) {
    case 'kernel': {
      const { mountKernel } = await import('./kernel/driver.ts')
      return mountKernel(fileSystem, folder, options)
    }
    case 'fuse-native': {
      const { mountFuseNative } = await import('./fuse-native/driver.ts')
      return mountFuseNative(fileSystem, folder, options)
    }
  }
}
