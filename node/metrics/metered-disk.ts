// A disk whose bytes and syncs are counted.
import type { Clock, Disk, DiskFile } from '../world/world.ts'
import type { Meter } from './meter.ts'

export function meteredDisk(disk: Disk, meter: Meter, clock: Pick<Clock, 'now'>): Disk {
  return {
    owner: disk.owner,
    open: async (path, mode) => meteredFile(await disk.open(path, mode), meter, clock),
    list: (path) => disk.list(path),
    makeFolder: (path) => disk.makeFolder(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncFolder: (path) => disk.syncFolder(path),
    space: () => disk.space(),
    identity: () => disk.identity(),
  }
}

function meteredFile(file: DiskFile, meter: Meter, clock: Pick<Clock, 'now'>): DiskFile {
  return {
    size: () => file.size(),
    read: async (position, length) => {
      const bytes = await file.read(position, length)
      meter.disk('read', bytes.byteLength)
      return bytes
    },
    write: async (position, parts) => {
      await file.write(position, parts)
      for (const { byteLength } of parts) meter.disk('written', byteLength)
    },
    truncate: (length) => file.truncate(length),
    sync: async () => {
      const startedAt = clock.now()
      await file.sync()
      meter.synced(clock.now() - startedAt)
    },
    close: () => file.close(),
  }
}
