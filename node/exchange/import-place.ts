// The place where an import makes its files until all are there: beside their final place, under a
// name of its own, in one move to which the import ends. What is made there is noted in the home
// first, so that what a crash left half done is taken back.
import { toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor, Fields } from '../../protocol/cbor.ts'
import { textOfPlain } from '../../protocol/byte-text.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { hexId, hexIdBytes } from '../../protocol/ids.ts'
import { IMPORT_LEVELS_MAX, PATH_MAX } from '../../protocol/limits.ts'
import { formatPath } from '../volume/paths.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { FileAttributes } from '../control/files.ts'
import type { Change, Files } from '../volume/files.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { Disk } from '../world/world.ts'
import type { ImportCounts } from '../control/exchange.ts'

/** In the home: archives, and notes of where what they hold is being made. */
export const EXCHANGE_FOLDER = 'exchange'
const NOTE_SUFFIX = '.note'
const PREFIX = '.shoal-import-'
const NOTE_BYTES_MAX: number = 2 * PATH_MAX
const ID_BYTES = 8
/** Set-user-id and set-group-id. */
const RIGHTS_LENT = 0o6000

export interface ImportPlaceParts {
  readonly disk: Disk
  readonly hosted: HostedVolume
  /** The final path of all. */
  readonly dest: readonly string[]
  readonly change: Change
  /** Set-user-id and set-group-id bits are made too; whoever made the archive chose them. */
  readonly preserve: boolean
  readonly signal: AbortSignal
}

/**
 * The verified content of an archive, and the way to make it: the same for both kinds of archives.
 */
export interface Making {
  readonly total: ImportCounts
  /** Make all of it. throws what keeps it from that, with some of it made. */
  make(place: ImportPlace): Promise<void>
}

/** A name for the files of one import. */
export function importId(random: (length: number) => Uint8Array): string {
  return toHex(random(ID_BYTES))
}

export class ImportPlace {
  /** So far. */
  readonly made = { files: 0, folders: 0, symlinks: 0, bytes: 0 }
  readonly #parts: ImportPlaceParts
  readonly #stopped = new AbortController()
  readonly #signal: AbortSignal
  readonly #root: readonly string[]
  readonly #note: string

  private constructor(parts: ImportPlaceParts, id: string) {
    this.#parts = parts
    this.#signal = AbortSignal.any([parts.signal, this.#stopped.signal])
    this.#root = [...parts.dest.slice(0, -1), `${PREFIX}${id}`]
    this.#note = `${EXCHANGE_FOLDER}/${id}${NOTE_SUFFIX}`
  }

  /** Note the place. Nothing is made yet. */
  static async open(parts: ImportPlaceParts, id: string): Promise<ImportPlace> {
    const place = new ImportPlace(parts, id)
    const { disk, hosted } = parts
    const file = await disk.open(place.#note, 'write')
    const note = { volume: hexIdBytes(hosted.volume.id), path: formatPath(place.#root) }
    await file.write(0, [encodeCbor(note)])
    await file.sync()
    await file.close()
    await disk.syncFolder(EXCHANGE_FOLDER)
    return place
  }

  /** `path`: names of an archive below what is imported, of which [] is the root. */
  async makeFolder(path: readonly string[]): Promise<void> {
    await this.#make((files, change) => change(() => files.makeFolder(this.#at(path), {})))
    this.made.folders++
  }

  async makeFile(
    path: readonly string[],
    content: AsyncIterable<Uint8Array>,
    attributes: FileAttributes,
  ): Promise<void> {
    const counted = this.#counted(content)
    const own = this.#masked(attributes)
    await this.#make((files, change) =>
      files.writeFile(this.#at(path), counted, own, change, this.#signal),
    )
    this.made.files++
  }

  async makeSymlink(path: readonly string[], target: string): Promise<void> {
    await this.#make((files, change) =>
      change(() => files.makeSymlink(this.#at(path), textOfPlain(target))),
    )
    this.made.symlinks++
  }

  /** Sets the attributes of a folder once all is in it, since that touched it. */
  async setAttributes(path: readonly string[], attributes: FileAttributes): Promise<void> {
    const { hosted, change } = this.#parts
    await change(() => hosted.files.setAttributes(this.#at(path), this.#masked(attributes)))
  }

  /** Make no more. */
  stop(): void {
    this.#stopped.abort(new ShoalError('aborted', 'the import was abandoned'))
  }

  /** Let it appear. throws ShoalError 'EEXIST'. */
  async finish(): Promise<void> {
    const { hosted, dest, change, disk } = this.#parts
    await change(() => {
      checkFree(hosted, dest)
      hosted.files.move(this.#root, dest)
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
    await removeTree(hosted, this.#root, signal)
    await disk.remove(this.#note)
  }

  async #make(make: (files: Files, change: Change) => Promise<void>): Promise<void> {
    const { hosted, change } = this.#parts
    this.#signal.throwIfAborted()
    await make(hosted.files, change)
    await hosted.volume.makeRoom()
  }

  async *#counted(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of content) {
      yield part
      this.made.bytes += part.length
    }
  }

  #masked({ mode, ...rest }: FileAttributes): FileAttributes {
    if (mode === undefined) return rest
    return { ...rest, mode: this.#parts.preserve ? mode : mode & ~RIGHTS_LENT }
  }

  #at(path: readonly string[]): readonly string[] {
    return [...this.#root, ...path.map(textOfPlain)]
  }
}

/**
 * throws ShoalError 'EEXIST' if there is something, 'ENOENT' or 'ENOTDIR' if there is no folder for
 * it.
 */
export function checkFree(hosted: HostedVolume, dest: readonly string[]): void {
  if (dest.length > IMPORT_LEVELS_MAX)
    throw new ShoalError('ENAMETOOLONG', `${formatPath(dest)} is nested too deeply to import into`)
  const folder = hosted.files.stat(dest.slice(0, -1))
  if (folder.kind !== 'folder')
    throw new ShoalError('ENOTDIR', `${formatPath(dest.slice(0, -1))}: is not a folder`)
  try {
    hosted.files.stat(dest)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  throw new ShoalError(
    'EEXIST',
    `${formatPath(dest)}: exists already; choose a new path for the import`,
  )
}

/**
 * Take back what imports of the last run left. What cannot be now stays noted for the next time.
 *
 * of: the volume, if this node has it.
 */
export async function takeBackLeftovers(
  disk: Disk,
  of: (volume: VolumeId) => HostedVolume | undefined,
  onFailure: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const name of await disk.list(EXCHANGE_FOLDER)) {
    const path = `${EXCHANGE_FOLDER}/${name}`
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
    const fields = new Fields(decodeCbor(bytes, 'the note of an import'), 'the note of an import')
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
    await hosted.files.remove(path, true, hosted.changing(signal), signal)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  await hosted.volume.commit()
}
