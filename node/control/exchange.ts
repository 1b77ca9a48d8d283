// The owner's calls about CAR files: content that travels to and from the IPFS world, or sealed.
import type { CallOptions, FileCallOptions, WriteOptions } from './api.ts'

export interface ExchangeApi {
  /**
   * A CAR of what is at a path, in parts: as UnixFS that any IPFS tool reads, or `sealed`, of the chunks as they are
   * stored, which only members of the volume can open. throws 'ENOENT', 'ESTALE' where what is exported changes between
   * the two times that it is looked at, 'chunk-unavailable'.
   */
  exportCar(path: string, options?: FileCallOptions & ExportOptions): AsyncIterable<Uint8Array>
  /**
   * Make what a CAR holds at `path`, which must not be there yet, in a folder that is. It appears when all of it is
   * there; before that, every block was checked. Events come when there is something to tell, the last is 'done'.
   * throws 'corrupt' and 'malformed' naming the block, 'unsupported', 'EEXIST', 'ENOENT', 'ENOSPC', 'EACCES' and
   * 'no-such-volume' for what is sealed for others: then nothing is left of it.
   */
  importCar(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options?: FileCallOptions & ImportOptions,
  ): AsyncIterable<readonly ImportEvent[]>
}

export interface ExportOptions extends CallOptions {
  readonly sealed?: boolean | undefined
  /** For UnixFS: store modes and times too, which changes the CIDs. Sealed has them always. */
  readonly attributes?: boolean | undefined
  /**
   * Look once instead of twice: the header names no root then, and whoever asks writes one of the same length over it,
   * with the root that `onExported` is told.
   */
  readonly rootLater?: boolean | undefined
  /** Told before the last part is taken to be the last. */
  readonly onExported?: ((exported: Exported) => void) | undefined
}

export interface ExportCounts {
  readonly files: number
  readonly folders: number
  readonly symlinks: number
  /** Bytes of all files. */
  readonly bytes: number
  /**
   * The number of objects that an archive cannot hold, such as devices, or that were removed
   * meanwhile; and the paths of the first of them.
   */
  readonly leftOut: number
  readonly leftOutPaths: readonly string[]
}

export interface Exported extends ExportCounts {
  /** The CID of the root. */
  readonly root: string
}

export interface ImportOptions extends WriteOptions {
  /** The size of the archive, if known: whether there is room is known before it comes. */
  readonly sizeBytes?: number | undefined
  /** Make set-user-id and set-group-id bits, too: without, what an archive holds runs as nobody else. */
  readonly preserve?: boolean | undefined
}

export interface ImportCounts {
  /** Files, folders and symlinks. */
  readonly names: number
  /** Bytes of all files. */
  readonly bytes: number
}

/** Progress of an import: verified, partly made, done. */
export type ImportEvent =
  | ({ readonly kind: 'verified'; readonly root: string; readonly sealed: boolean } & ImportCounts)
  | ({ readonly kind: 'made' } & ImportCounts)
  | ({ readonly kind: 'done'; readonly root: string } & ImportCounts)
