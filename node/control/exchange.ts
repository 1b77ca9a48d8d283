// The owner's calls about CAR files: content that travels to and from the IPFS world,
// or sealed.
import { route } from './route.ts'
import type { CallOptions } from './api.ts'
import type { FileCallOptions, WriteOptions } from './files.ts'
import type { RoutesOf } from './route.ts'

export interface ExchangeApi {
  /**
   * A CAR of what is at a path, in parts: as UnixFS that any IPFS tool reads, or `sealed`, of the
   * chunks as they are stored, which only members of the volume can open. throws 'ENOENT', 'ESTALE'
   * where what is exported changes between the two times that it is looked at, 'chunk-unavailable'.
   */
  exportCar(path: string, options?: FileCallOptions & ExportOptions): AsyncIterable<Uint8Array>
  /**
   * Make what a CAR holds at `path`, which must not be there yet, in a folder that is. It appears
   * when all of it is there; before that, every block was checked. Events come when there is
   * something to tell, the last is 'done'.
   * throws 'corrupt' and 'malformed' naming the block, 'unsupported', 'EEXIST', 'ENOENT', 'ENOSPC',
   * 'EACCES' and 'no-such-volume' for what is sealed for others: then nothing is left of it.
   */
  importCar(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options?: FileCallOptions & ImportOptions,
  ): AsyncIterable<readonly ImportEvent[]>
}

export const exchangeRoutes: RoutesOf<ExchangeApi> = {
  exportCar: route(
    { answer: 'archive', method: 'GET', path: 'car', hasSession: true },
    ['path'],
    ({ path, flag }) => ({ path, sealed: flag, attributes: flag, rootLater: flag }),
  ),
  importCar: route(
    { answer: 'pages', method: 'PUT', path: 'car', hasSession: true },
    ['path', 'content'],
    ({ path, integer, flag, ack }) => ({
      path,
      sizeBytes: integer(0).optional(),
      preserve: flag,
      ack,
    }),
  ),
}

export interface ExportOptions extends CallOptions {
  readonly sealed?: boolean | undefined
  /** For UnixFS: store modes and times too, which changes the CIDs. Sealed has them always. */
  readonly attributes?: boolean | undefined
  /**
   * Look once instead of twice: the header names no root then, and whoever asks writes one of the
   * same length over it, with the root that `onExported` is told.
   */
  readonly rootLater?: boolean | undefined
  /** Told before the last part is taken to be the last. */
  readonly onExported?: ((exported: Exported) => void) | undefined
}

/** The content of an archive. */
export interface ImportedCounts {
  readonly files: number
  readonly folders: number
  readonly symlinks: number
  /** The bytes of files. */
  readonly bytes: number
}

export interface ExportCounts extends ImportedCounts {
  /**
   * Files that no archive can hold, such as devices, or that were removed meanwhile; and the paths
   * of the first of it.
   */
  readonly leftOut: number
  readonly leftOutPaths: readonly string[]
}

export interface Exported extends ExportCounts {
  /** The CID of the root. */
  readonly root: string
}

export interface ImportOptions extends WriteOptions {
  /** The length of the archive, where known: whether there is room is known before it comes. */
  readonly sizeBytes?: number | undefined
  /**
   * Make set-user-id and set-group-id bits, too: without, what an archive holds runs as nobody
   * else.
   */
  readonly preserve?: boolean | undefined
}

export interface ImportCounts {
  /** Files, folders and symlinks. */
  readonly names: number
  /** The bytes of files. */
  readonly bytes: number
}

/** Events of an import: the size of all that was found, the progress, and the end. */
export type ImportEvent =
  | ({ readonly kind: 'verified'; readonly root: string; readonly sealed: boolean } & ImportCounts)
  | ({ readonly kind: 'made' } & ImportedCounts)
  | ({ readonly kind: 'done'; readonly root: string } & ImportedCounts)
