// Makes the files of an import where nobody takes them for whole yet (clones/hidden-place.ts).
import { textOfPlain } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { FileAttributes } from '../control/files.ts'
import type { Change, Files } from '../volume/files.ts'
import { HiddenPlace } from '../clones/hidden-place.ts'
import type { HiddenPlaceParts } from '../clones/hidden-place.ts'
import type { ImportCounts } from '../control/exchange.ts'

/** Set-user-id and set-group-id. */
const RIGHTS_LENT = 0o6000

export interface ImportPlaceParts extends HiddenPlaceParts {
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

export class ImportPlace {
  /** So far. */
  readonly made = { files: 0, folders: 0, symlinks: 0, bytes: 0 }
  readonly #parts: ImportPlaceParts
  readonly #stopped = new AbortController()
  readonly #signal: AbortSignal
  readonly #place: HiddenPlace

  private constructor(parts: ImportPlaceParts, place: HiddenPlace) {
    this.#parts = parts
    this.#signal = AbortSignal.any([parts.signal, this.#stopped.signal])
    this.#place = place
  }

  /** Note the place. Nothing is made yet. */
  static async open(parts: ImportPlaceParts, id: string): Promise<ImportPlace> {
    return new ImportPlace(parts, await HiddenPlace.open(parts, 'import', id))
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

  /** As HiddenPlace. */
  finish(): Promise<void> {
    return this.#place.finish()
  }

  /** As HiddenPlace. */
  takeBack(signal: AbortSignal): Promise<void> {
    return this.#place.takeBack(signal)
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
    return [...this.#place.path, ...path.map(textOfPlain)]
  }
}
