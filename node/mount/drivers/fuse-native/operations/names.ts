// Operations on names: making, moving, removing and listing.
import { ShoalError } from '../../../../../protocol/errors.ts'
import { FILE_TYPE, S_IFMT } from '../../kernel/protocol.ts'
import { bytesOf, textOf } from '../paths.ts'
import { statOf } from '../structures.ts'
import { DONE, nothing } from './served.ts'
import type { Attributes, FileSystem } from '../../../file-system.ts'
import type { Operations, Reply, Served } from './served.ts'

const SPECIAL_KINDS = ['fifo', 'socket', 'character-device', 'block-device'] as const
const PAGE = 1024

export function nameOperations(served: Served): Operations {
  return { ...makingOperations(served), ...otherOperations(served) }
}

function makingOperations({ fileSystem, paths, maker }: Served): Operations {
  const made = (attributes: Attributes): Reply => {
    paths.drop(attributes)
    return DONE
  }
  return {
    mkdir: {
      run: (_call, path: string, mode: number) =>
        paths.placeOf(path, async (parent, name) =>
          made(await fileSystem.makeFolder(parent, name, mode & 0o7777, maker)),
        ),
      failed: nothing,
    },
    mknod: {
      run: (_call, path: string, mode: number, rdev: number) => {
        const kind = SPECIAL_KINDS.find((known) => FILE_TYPE[known] === (mode & S_IFMT))
        if (kind === undefined) throw new ShoalError('EINVAL', `mknod of mode ${mode}`)
        return paths.placeOf(path, async (parent, name) =>
          made(await fileSystem.makeSpecial(parent, name, mode & 0o7777, { kind, rdev }, maker)),
        )
      },
      failed: nothing,
    },
    symlink: {
      run: (_call, target: string, path: string) =>
        paths.placeOf(path, async (parent, name) =>
          made(await fileSystem.makeSymlink(parent, name, bytesOf(target), maker)),
        ),
      failed: nothing,
    },
    link: {
      run: (_call, from: string, to: string) =>
        paths.at(from, ({ inode }) =>
          paths.placeOf(to, async (parent, name) =>
            made(await fileSystem.link(inode, parent, name)),
          ),
        ),
      failed: nothing,
    },
  }
}

function otherOperations(served: Served): Operations {
  const { fileSystem, paths } = served
  return {
    readlink: { run: (_call, path: string) => readLink(served, path), failed: () => [''] },
    unlink: {
      run: async (_call, path: string) => {
        if (paths.reveal(path)) return DONE
        await paths.placeOf(path, (parent, name) => fileSystem.unlink(parent, name))
        return DONE
      },
      failed: nothing,
    },
    rmdir: {
      run: async (_call, path: string) => {
        await paths.placeOf(path, (parent, name) => fileSystem.removeFolder(parent, name))
        return DONE
      },
      failed: nothing,
    },
    rename: {
      run: (_call, from: string, to: string) => rename(served, from, to),
      failed: nothing,
    },
    readdir: {
      run: (_call, path: string) => paths.at(path, ({ inode }) => list(fileSystem, inode)),
      failed: () => [[], []],
    },
    fsyncdir: {
      run: (_call, path: string) =>
        paths.at(path, async ({ inode }) => {
          await withFolder(fileSystem, inode, (handle) => fileSystem.syncFolder(handle))
          return DONE
        }),
      failed: nothing,
    },
  }
}

async function readLink({ fileSystem, paths }: Served, path: string): Promise<Reply> {
  const target = await paths.at(path, ({ inode }) => fileSystem.readLink(inode))
  const text = textOf(target)
  if (text === undefined) throw new ShoalError('EINVAL', 'the target of the link is not UTF-8')
  return [0, text]
}

async function rename(served: Served, from: string, to: string): Promise<Reply> {
  const { fileSystem, paths, handles } = served
  const hides =
    paths.hides(from, to) && (await paths.at(from, async ({ inode }) => handles.isOpen(inode)))
  if (hides) {
    await paths.hide(from, to)
    return DONE
  }
  await paths.placeOf(from, (fromParent, fromName) =>
    paths.placeOf(to, (toParent, toName) =>
      fileSystem.rename(fromParent, fromName, toParent, toName, 0),
    ),
  )
  return DONE
}

/** A whole folder: libfuse asks but once. */
async function list(fileSystem: FileSystem, inode: number): Promise<Reply> {
  const here = statOf(await fileSystem.getAttributes(inode))
  const names = ['.', '..']
  const stats = [here, here]
  await withFolder(fileSystem, inode, async (handle) => {
    let cookie: number | undefined = 0
    while (cookie !== undefined) {
      const entries = await fileSystem.readFolder(handle, cookie, PAGE)
      for (const { name, attributes } of entries) {
        const text = textOf(name)
        if (text === undefined) continue
        names.push(text)
        stats.push(statOf(attributes))
      }
      cookie = entries.at(-1)?.cookie
    }
  })
  return [0, names, stats]
}

async function withFolder(
  fileSystem: FileSystem,
  inode: number,
  run: (handle: number) => Promise<void>,
): Promise<void> {
  const handle = await fileSystem.openFolder(inode)
  try {
    await run(handle)
  } finally {
    await fileSystem.releaseFolder(handle)
  }
}
