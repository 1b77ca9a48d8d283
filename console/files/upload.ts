// Files and folders of this machine, as somebody chose or dropped them, and how they are sent: some
// at a time, each whole or not at all.
import { send } from '../client.ts'
import { fileUrl, inside } from './place.ts'
import type { Place } from './place.ts'

const AT_ONCE = 4

/** A file with the folders that it was found in, below what was chosen. */
export interface Chosen {
  readonly names: readonly string[]
  readonly file: File
}

export interface UploadState {
  readonly files: number
  readonly filesDone: number
  readonly bytes: number
  readonly bytesDone: number
}

/** Files of an <input>, with their folders where a folder was chosen. */
export function chosenBy(files: FileList): readonly Chosen[] {
  return Array.from(files, (file) => {
    const below = file.webkitRelativePath
    return { file, names: below === '' ? [file.name] : below.split('/') }
  })
}

/** Everything that was dropped, folders with all that is in them. */
export async function dropped(items: DataTransferItemList): Promise<readonly Chosen[]> {
  // All at once: the list is empty after the first wait.
  const entries = Array.from(items, (item) => item.webkitGetAsEntry())
  const found: Chosen[] = []
  for (const entry of entries) if (entry !== null) await walk(entry, [], found)
  return found
}

async function walk(
  entry: FileSystemEntry,
  above: readonly string[],
  found: Chosen[],
): Promise<void> {
  const names = [...above, entry.name]
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject))
    found.push({ names, file })
  } else if (entry instanceof FileSystemDirectoryEntry) {
    const reader = entry.createReader()
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
        reader.readEntries(resolve, reject),
      )
      if (some.length === 0) break
      for (const one of some) await walk(one, names, found)
    }
  }
}

/** Send them into a folder. throws Failure of the first that fails; others under way are ended. */
export async function upload(
  into: Place,
  chosen: readonly Chosen[],
  { onState, signal }: { onState: (state: UploadState) => void; signal: AbortSignal },
): Promise<void> {
  const bytes = chosen.reduce((sum, { file }) => sum + file.size, 0)
  let state: UploadState = { files: chosen.length, filesDone: 0, bytes, bytesDone: 0 }
  const failed = new AbortController()
  const until = AbortSignal.any([signal, failed.signal])
  const waiting = chosen.values()
  const work = async (): Promise<void> => {
    for (const { file, names } of waiting) {
      until.throwIfAborted()
      const url = `${fileUrl(inside(into, ...names))}?parents=true`
      await send(url, { method: 'PUT', body: file, signal: until })
      const { filesDone, bytesDone } = state
      state = { ...state, filesDone: filesDone + 1, bytesDone: bytesDone + file.size }
      onState(state)
    }
  }
  onState(state)
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  } catch (error) {
    failed.abort()
    throw error
  }
}
