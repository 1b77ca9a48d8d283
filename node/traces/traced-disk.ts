// A disk whose slow calls are spans of what waits for them.
import type { Clock, Disk, DiskFile } from '../world/world.ts'
import { currentSpan } from './span.ts'

/** Quicker ones say nothing, and there are many. */
const SLOW_MS = 5

export function tracedDisk(disk: Disk, clock: Pick<Clock, 'now'>): Disk {
  return {
    owner: disk.owner,
    open: async (path, mode) => tracedFile(await disk.open(path, mode), clock),
    list: (path) => disk.list(path),
    makeFolder: (path) => disk.makeFolder(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncFolder: (path) => disk.syncFolder(path),
    space: () => disk.space(),
    identity: () => disk.identity(),
  }
}

function tracedFile(file: DiskFile, clock: Pick<Clock, 'now'>): DiskFile {
  const timed = async <Result>(
    name: string,
    call: Promise<Result>,
    bytesOf?: (result: Result) => number,
  ): Promise<Result> => {
    const span = currentSpan()?.child(name)
    if (span === undefined) return call
    const startedAt = clock.now()
    try {
      const result = await call
      if (clock.now() - startedAt >= SLOW_MS) span.end(bytesOf && { bytes: bytesOf(result) })
      return result
    } catch (error) {
      span.end(undefined, error)
      throw error
    }
  }
  return {
    size: () => file.size(),
    read: (position, length) =>
      timed('disk.read', file.read(position, length), (bytes) => bytes.byteLength),
    write: (position, parts) =>
      timed('disk.write', file.write(position, parts), () =>
        parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
      ),
    truncate: (length) => file.truncate(length),
    sync: () => timed('disk.sync', file.sync()),
    close: () => file.close(),
  }
}
