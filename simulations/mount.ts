// A mount without a kernel: what programs would ask of it is asked of the file system itself.
import { ShoalError } from '../protocol/errors.ts'
import { toByteString, utf8 } from '../protocol/bytes.ts'
import type { FileSystem, Invalidator, MountedFileSystem } from '../node/mount/file-system.ts'

const ROOT_INODE = 1
/** There is no kernel that would cache anything. */
const NO_CACHE: Invalidator = {
  inode: () => undefined,
  entry: () => undefined,
  settled: () => Promise.resolve(),
}

export class SimulatedMount {
  fileSystem: FileSystem | undefined

  /** Mounts in place of the kernel's driver. */
  readonly mounter = (fileSystem: FileSystem, folder: string): Promise<MountedFileSystem> => {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const unmount = (): Promise<void> => {
      this.fileSystem = undefined
      resolve()
      return ended
    }
    this.fileSystem = fileSystem
    const invalidator = NO_CACHE
    return Promise.resolve({ folder, invalidator, ended, unmount, [Symbol.asyncDispose]: unmount })
  }
}

/** As open(2) with O_RDWR and O_TRUNC. */
const TRUNCATED = 0o1002
const WRITE_BYTES = 128 * 1024

/** Writes a file as a program does, and closes it: it is new, or what it held is replaced. */
export async function writeAndClose(
  fileSystem: FileSystem,
  path: string,
  content: Uint8Array,
): Promise<void> {
  const at = path.lastIndexOf('/')
  const name = toByteString(utf8(path.slice(at + 1)))
  await withInode(fileSystem, path.slice(0, at), async (parent) => {
    const found = await fileSystem.lookup(parent, name)
    const maker = { uid: 1000, gid: 1000, umask: 0o022 }
    const made = found === undefined && (await fileSystem.create(parent, name, 0o644, maker))
    const inode = found?.inode ?? (made ? made.attributes.inode : ROOT_INODE)
    try {
      const handle = made ? made.handle : await fileSystem.open(inode, TRUNCATED)
      try {
        for (let from = 0; from < content.length; from += WRITE_BYTES)
          await fileSystem.write(handle, from, content.subarray(from, from + WRITE_BYTES))
        await fileSystem.flush(handle)
      } finally {
        await fileSystem.release(handle)
      }
    } finally {
      fileSystem.forget(inode, 1)
    }
  })
}

/** Ask something about what is at a path. throws 'ENOENT', 'ENOTDIR'. */
export async function withInode<Answer>(
  fileSystem: FileSystem,
  path: string,
  ask: (inode: number) => Promise<Answer>,
): Promise<Answer> {
  const held: number[] = []
  try {
    let at = ROOT_INODE
    for (const part of path.split('/').filter((name) => name !== '')) {
      const found = await fileSystem.lookup(at, toByteString(utf8(part)))
      if (found === undefined) throw new ShoalError('ENOENT', `${path} is not there`)
      held.push((at = found.inode))
    }
    return await ask(at)
  } finally {
    for (const inode of held) fileSystem.forget(inode, 1)
  }
}
