// A volume that was rebuilt as a drill: its tree is looked at as a whole, and some files are read,
// whatever their bytes lie in.
import { asShoalError } from '../../protocol/errors.ts'
import type { Rehearsal } from '../control/recovery.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { formatPath } from '../volume/paths.ts'
import type { Random } from '../world/world.ts'

export type Rehearsed = Omit<Rehearsal, 'volume' | 'backup'>

/**
 * sample: how many files are read, chosen by chance. In memory: the folders that were not come to
 * yet, and the sample.
 */
export async function lookThrough(
  { files }: Pick<HostedVolume, 'files'>,
  { random, sample }: { readonly random: Pick<Random, 'number'>; readonly sample: number },
  signal: AbortSignal,
): Promise<Rehearsed> {
  const counts = { folders: 0, files: 0, others: 0, bytes: 0 }
  const chosen: (readonly string[])[] = []
  const folders: (readonly string[])[] = [[]]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const page of files.list(folder)) {
      signal.throwIfAborted()
      for (const { name, kind, sizeBytes } of page) {
        const path = [...folder, name]
        if (kind === 'folder') folders.push(path)
        if (kind === 'folder') counts.folders++
        else if (kind !== 'file') counts.others++
        else {
          counts.files++
          counts.bytes += sizeBytes
          const at =
            chosen.length < sample ? chosen.length : Math.floor(random.number() * counts.files)
          if (at < sample) chosen[at] = path
        }
      }
    }
  }
  const problems: { readonly path: string; readonly message: string }[] = []
  let readBytes = 0
  for (const path of chosen) {
    try {
      readBytes += await readWhole(files, path, signal)
    } catch (error) {
      signal.throwIfAborted()
      problems.push({ path: formatPath(path), message: asShoalError(error).message })
    }
  }
  return { ...counts, readFiles: chosen.length - problems.length, readBytes, problems }
}

/** Each chunk is compared with its id on the way. */
async function readWhole(
  files: HostedVolume['files'],
  path: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0
  for await (const part of files.readFile(path, {}, signal).content) bytes += part.length
  return bytes
}
