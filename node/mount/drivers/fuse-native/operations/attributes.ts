// Operations on attributes, and what is asked of the whole file system.
import { spaceOf, statOf, u64Of } from '../structures.ts'
import { DONE, nothing } from './served.ts'
import type { AttributeChange } from '../../../file-system.ts'
import type { Operations, Served } from './served.ts'
import { NS_PER_MS } from '../../../../../protocol/units.ts'

/** chown(2): leave it. */
const KEEP = 0xffffffff
/** Offsets of a call's access time, before its modification time: on Linux, on macOS. */
const TIMES_OFFSETS = [104, 96] as const

export function attributeOperations({ fileSystem, paths, handles }: Served): Operations {
  const change = async (path: string, to: AttributeChange): Promise<typeof DONE> => {
    await paths.at(path, ({ inode }) => fileSystem.setAttributes(inode, to, undefined))
    return DONE
  }
  const noStat = (): readonly unknown[] => [statOf()]
  return {
    getattr: {
      run: (_call, path: string) => paths.at(path, async (found) => [0, statOf(found)]),
      failed: noStat,
    },
    fgetattr: {
      run: async (_call, _path: string, file: number) => {
        const { inode } = handles.get(file)
        return [0, statOf(await fileSystem.getAttributes(inode))]
      },
      failed: noStat,
    },
    chmod: {
      run: (_call, path: string, mode: number) => change(path, { mode: mode & 0o7777 }),
      failed: nothing,
    },
    chown: {
      run: (_call, path: string, uid: number, gid: number) =>
        change(path, { ...(uid === KEEP ? {} : { uid }), ...(gid === KEEP ? {} : { gid }) }),
      failed: nothing,
    },
    utimens: {
      run: (call, path: string, low: number, high: number) =>
        change(path, timesOf(call, low, high)),
      failed: nothing,
    },
    truncate: {
      run: (_call, path: string, low: number, high: number) =>
        change(path, { sizeBytes: u64Of(low, high) }),
      failed: nothing,
    },
    ftruncate: {
      run: async (_call, _path: string, file: number, low: number, high: number) => {
        const { inode, handle } = handles.get(file)
        await fileSystem.setAttributes(inode, { sizeBytes: u64Of(low, high) }, handle)
        return DONE
      },
      failed: nothing,
    },
    statfs: {
      run: async () => [0, spaceOf(await fileSystem.statFileSystem())],
      failed: () => [spaceOf()],
    },
  }
}

/**
 * fuse-native hands over the access time twice; the modification time only lies in the call's
 * structure, after it.
 */
function timesOf(call: Buffer, low: number, high: number): AttributeChange {
  const accessed = (BigInt(high) << 32n) | BigInt(low)
  const offset = TIMES_OFFSETS.find((at) => call.readBigUInt64LE(at) === accessed)
  const accessedNs = BigInt.asIntN(64, accessed) * NS_PER_MS
  if (offset === undefined) return { accessedNs }
  return { accessedNs, modifiedNs: call.readBigInt64LE(offset + 8) * NS_PER_MS }
}
