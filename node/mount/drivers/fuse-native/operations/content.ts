// Operations on open files.
import { constants } from 'node:fs'
import { u64Of } from '../structures.ts'
import { DONE, nothing } from './served.ts'
import type { Operations, Reply, Served } from './served.ts'

type ReadArgs = [file: number, room: Buffer, ...at: number[]]

const noFile = (): readonly unknown[] => [0]
/** The bytes are the kernel's again. */
const given = (_path: string, _file: number, bytes: Buffer): readonly unknown[] => [0, bytes.buffer]

export function contentOperations(served: Served): Operations {
  const { fileSystem, paths, handles, maker } = served
  return {
    open: {
      run: (_call, path: string, flags: number) =>
        paths.at(path, async ({ inode }) => {
          const appends = (flags & constants.O_APPEND) !== 0
          const handle = await fileSystem.open(inode, flags)
          return [0, handles.add({ handle, inode, appends })]
        }),
      failed: noFile,
    },
    create: {
      run: (_call, path: string, mode: number) =>
        paths.placeOf(path, async (parent, name) => {
          const made = await fileSystem.create(parent, name, mode & 0o7777, maker)
          const { handle, attributes } = made
          const file = handles.add({ handle, inode: attributes.inode, appends: false })
          paths.drop(attributes)
          return [0, file]
        }),
      failed: noFile,
    },
    read: {
      run: (_call, _path: string, ...args: ReadArgs) => read(served, ...args),
      failed: given,
    },
    write: {
      run: async (_call, _path: string, file: number, bytes: Buffer, ...at: number[]) => {
        const { handle, appends } = handles.get(file)
        const position = appends ? 'end' : positionOf(at)
        return [await fileSystem.write(handle, position, bytes), 0, bytes.buffer]
      },
      failed: given,
    },
    flush: {
      run: async (_call, _path: string, file: number) => {
        await fileSystem.flush(handles.get(file).handle)
        return DONE
      },
      failed: nothing,
    },
    fsync: {
      run: async (_call, _path: string, _onlyData: number, file: number) => {
        await fileSystem.fsync(handles.get(file).handle)
        return DONE
      },
      failed: nothing,
    },
    release: {
      run: async (_call, _path: string, file: number) => {
        await handles.release(file)
        return DONE
      },
      failed: nothing,
    },
  }
}

async function read(
  { fileSystem, handles, signal }: Served,
  ...[file, room, ...at]: ReadArgs
): Promise<Reply> {
  const { handle } = handles.get(file)
  const parts = await fileSystem.read(handle, positionOf(at), room.length, signal)
  let sent = 0
  for (const part of parts) {
    room.set(part, sent)
    sent += part.byteLength
  }
  return [sent, 0, room.buffer]
}

/** After the length: the halves of an offset. */
function positionOf([, low = 0, high = 0]: readonly number[]): number {
  return u64Of(low, high)
}
