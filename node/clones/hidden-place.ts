// The place where a tree is made until all of it is there: beside its final place, under a name of
// its own, from which it is moved in one step. What is made there is noted in the home first, so
// that what a crash left half done is taken back.
import { toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor, Fields } from '../../protocol/cbor.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { hexId, hexIdBytes } from '../../protocol/ids.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { IMPORT_LEVELS_MAX, PATH_MAX } from '../../protocol/limits.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { ROOT, readDir } from '../../protocol/tree/records.ts'
import { readXattr, readXattrNames } from '../../protocol/tree/xattrs.ts'
import type { Disk, World } from '../world/world.ts'
import type { Change } from '../volume/files.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { formatPath } from '../volume/paths.ts'

/** In the home: notes of where something is being made, and archives that are imported. */
export const UNFINISHED_FOLDER = 'exchange'
const NOTE_SUFFIX = '.note'
const NOTE_BYTES_MAX: number = 2 * PATH_MAX
const ID_BYTES = 8

export interface HiddenPlaceParts {
  readonly disk: Disk
  readonly hosted: HostedVolume
  /** The final path of all. */
  readonly dest: readonly string[]
  readonly change: Change
}

/** A name for what is made once. */
export function freshPlaceId({ random }: Pick<World, 'random'>): string {
  return toHex(random.bytes(ID_BYTES))
}

export class HiddenPlace {
  /** The path at which all is made; nothing is there at first. */
  readonly path: readonly string[]
  readonly #parts: HiddenPlaceParts
  readonly #note: string

  private constructor(parts: HiddenPlaceParts, name: string, id: string) {
    this.#parts = parts
    this.path = [...parts.dest.slice(0, -1), name]
    this.#note = `${UNFINISHED_FOLDER}/${id}${NOTE_SUFFIX}`
  }

  /** Note the place. Nothing is made yet. what: what is made, in its hidden name. */
  static async open(
    parts: HiddenPlaceParts,
    what: 'import' | 'clone',
    id: string,
  ): Promise<HiddenPlace> {
    const place = new HiddenPlace(parts, `.shoal-${what}-${id}`, id)
    const { disk, hosted } = parts
    await disk.makeFolder(UNFINISHED_FOLDER)
    const file = await disk.open(place.#note, 'write')
    const note = { volume: hexIdBytes(hosted.volume.id), path: formatPath(place.path) }
    await file.write(0, [encodeCbor(note)])
    await file.sync()
    await file.close()
    await disk.syncFolder(UNFINISHED_FOLDER)
    return place
  }

  /** Let it appear. throws ShoalError 'EEXIST'. */
  async finish(): Promise<void> {
    const { hosted, dest, change, disk } = this.#parts
    await change(() => {
      checkFree(hosted, dest)
      hosted.files.move(this.path, dest)
    })
    await hosted.volume.commit()
    await disk.remove(this.#note)
  }

  /**
   * Let what is in it, a folder in the root of a volume where nothing else is, appear there, and
   * its attributes be those of the root. throws ShoalError 'EEXIST'.
   */
  async finishAsRoot(): Promise<void> {
    const { hosted, change, disk } = this.#parts
    const { namespace } = hosted
    const folder = namespace.resolvePath(this.path)
    const names: Name[] = []
    for await (const { name } of namespace.list(folder.id)) names.push(name)
    await change(() => {
      const { view } = namespace.volume
      if ((readDir(view, ROOT)?.visibleChildren ?? 0) > 1)
        throw new ShoalError('EEXIST', 'somebody made something in the volume meanwhile')
      const { mode, uid, gid, modifiedNs } = namespace.attributes(folder)
      const root = { kind: 'dir', id: ROOT } as const
      for (const name of readXattrNames(view, folder.id)) {
        const value = readXattr(view, folder.id, name)
        if (value !== undefined) namespace.xattrs.set(root, name, value)
      }
      for (const name of names) namespace.rename(folder.id, name, ROOT, name)
      namespace.removeDir(ROOT, nameFromText(this.path.at(-1) ?? ''))
      namespace.setAttributes(root, { mode, uid, gid, modifiedNs })
    })
    await hosted.volume.commit()
    await disk.remove(this.#note)
  }

  /**
   * Take back what was made. throws what keeps it from that: it is tried again when the node
   * starts.
   */
  async takeBack(signal: AbortSignal): Promise<void> {
    const { hosted, disk } = this.#parts
    await removeTree(hosted, this.path, signal)
    await disk.remove(this.#note)
  }
}

/**
 * throws ShoalError 'EEXIST' if there is something, 'ENOENT' or 'ENOTDIR' if there is no folder for
 * it.
 */
export function checkFree({ files }: HostedVolume, dest: readonly string[]): void {
  if (dest.length > IMPORT_LEVELS_MAX)
    throw new ShoalError('ENAMETOOLONG', `${formatPath(dest)} is nested too deeply`)
  const folder = files.stat(dest.slice(0, -1))
  if (folder.kind !== 'folder')
    throw new ShoalError('ENOTDIR', `${formatPath(dest.slice(0, -1))}: is not a folder`)
  try {
    files.stat(dest)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  throw new ShoalError('EEXIST', `${formatPath(dest)}: exists already; choose a new path`)
}

/**
 * Take back what the last run left unfinished. What cannot be now stays noted for the next time.
 *
 * of: the volume, if this node has it.
 */
export async function takeBackLeftovers(
  disk: Disk,
  of: (volume: VolumeId) => HostedVolume | undefined,
  onFailure: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const name of await disk.list(UNFINISHED_FOLDER)) {
    const path = `${UNFINISHED_FOLDER}/${name}`
    try {
      if (name.endsWith(NOTE_SUFFIX)) {
        const note = await readNote(disk, path)
        const hosted = note && of(note.volume)
        if (note !== undefined && hosted !== undefined) await removeTree(hosted, note.path, signal)
      }
      await disk.remove(path)
    } catch (error) {
      onFailure(error)
    }
  }
}

async function readNote(
  disk: Disk,
  path: string,
): Promise<{ volume: VolumeId; path: readonly string[] } | undefined> {
  const file = await disk.open(path, 'read')
  try {
    const bytes = await file.read(0, NOTE_BYTES_MAX)
    // The crash came before it was written, and so before anything was made.
    if (bytes.length === 0) return undefined
    const what = 'the note of what is unfinished'
    const fields = new Fields(decodeCbor(bytes, what), what)
    const volume = hexId<VolumeId>(fields.bytes('volume', HASH_BYTES), HASH_BYTES, 'volume id')
    return { volume, path: fields.text('path', PATH_MAX).split('/').slice(1) }
  } finally {
    await file.close()
  }
}

async function removeTree(
  hosted: HostedVolume,
  path: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  try {
    await hosted.files.remove(path, { recursive: true }, hosted.changing(signal), signal)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  await hosted.volume.commit()
}
