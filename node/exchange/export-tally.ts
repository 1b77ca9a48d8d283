// Counts the content of an export, and the objects that it had to leave out.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { plainText } from '../../protocol/byte-text.ts'
import { kindText } from '../../protocol/op/file-kind.ts'
import { formatPath } from '../volume/paths.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { FileStat } from '../control/files.ts'
import type { ExportCounts } from '../control/exchange.ts'

/** So many of what was left out are named. */
const NAMED_MAX = 20
const ARCHIVED: ReadonlySet<FileKind> = new Set(['file', 'folder', 'symlink'])

export class ExportTally {
  files = 0
  folders = 0
  symlinks = 0
  /** Bytes of all files. */
  bytes = 0
  leftOut = 0
  readonly #named: string[] = []

  /** The same bytes, counted as they pass. */
  async *counted(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      this.bytes += part.length
      yield part
    }
  }

  /**
   * The result of `make`; undefined, and counted as left out, for what no archive can hold, or is
   * gone meanwhile.
   */
  async unlessGone<Made>(
    path: readonly string[],
    { kind, name, target = '' }: Pick<FileStat, 'kind' | 'name' | 'target'>,
    make: () => Promise<Made>,
  ): Promise<Made | undefined> {
    const isPlain = plainText(name) !== undefined && plainText(target) !== undefined
    try {
      if (ARCHIVED.has(kind) && isPlain) return await make()
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    this.leftOut++
    if (this.#named.length < NAMED_MAX) this.#named.push(formatPath(path))
    return undefined
  }

  /** The counts. */
  counts(): ExportCounts {
    const { files, folders, symlinks, bytes, leftOut } = this
    return { files, folders, symlinks, bytes, leftOut, leftOutPaths: this.#named }
  }
}

/** A name, or the target of a symlink, as an archive has it. throws ShoalError 'unsupported'. */
export function archivedText(path: readonly string[], text: string): string {
  const plain = plainText(text)
  if (plain !== undefined) return plain
  throw new ShoalError(
    'unsupported',
    `${formatPath(path)} has a name or target that is not UTF-8, which cannot be exported`,
  )
}

export function unsupported(path: readonly string[], kind: FileKind): ShoalError {
  return new ShoalError(
    'unsupported',
    `${formatPath(path)} is a ${kindText(kind)}, which cannot be exported`,
  )
}
