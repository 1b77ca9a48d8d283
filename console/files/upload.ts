// Files and folders of this machine, as somebody chose or dropped them, and how they are sent: some
// at a time, each whole or not at all. A large one goes on where it broke off, also when the page
// was closed meanwhile and the same file is chosen again.
import { upload as send } from '../../client/upload.ts'
import { client } from '../client.ts'
import { inside, pathText } from './place.ts'
import type { Place } from './place.ts'

const AT_ONCE = 4
/** Larger ones are sent in pieces. */
const WHOLE_BYTES_MAX: number = 8 * 1024 * 1024
/** Begins the keys by which the page knows uploads that it began. */
const BEGUN = 'shoal-upload '

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

/** Send them into a folder. throws what the first fails with; others under way are ended. */
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
      let sent = 0
      const onSent = (now: number): void => {
        state = { ...state, bytesDone: state.bytesDone + now - sent }
        sent = now
        onState(state)
      }
      await sendFile(pathText(inside(into, ...names)), file, { onSent, signal: until })
      state = { ...state, filesDone: state.filesDone + 1 }
      onSent(file.size)
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

async function sendFile(
  path: string,
  file: File,
  { onSent, signal }: { onSent: (bytes: number) => void; signal: AbortSignal },
): Promise<void> {
  if (file.size <= WHOLE_BYTES_MAX) {
    await client.put(path, file, { parents: true, signal })
    return
  }
  const key = `${BEGUN}${path} ${file.size} ${file.lastModified}`
  const begun = localStorage.getItem(key) ?? undefined
  const onBegun = (location: string | undefined): void => {
    if (location === undefined) localStorage.removeItem(key)
    else localStorage.setItem(key, location)
  }
  await send(client, path, file, { parents: true, begun, onBegun, onSent, signal })
}
