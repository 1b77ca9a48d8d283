// The calls of a node's owner about copies that share their content with what they are copies of.
import type { CallOptions } from './api.ts'
import type { FileCallOptions } from './files.ts'
import { pages, route } from './route.ts'
import type { RoutesOf } from './route.ts'
import { VERSION_TEXT_MAX } from './versions.ts'
import type { Moment } from './versions.ts'

export interface ClonesApi {
  /**
   * Copy a file or a folder by reference, to a path of its volume where nothing is yet: as it is
   * now, or as it was at a moment. It appears when all of it is there. Events come when there is
   * something to tell, the last is 'done'. throws 'ENOENT', 'EEXIST', 'ENOTDIR', 'EINVAL' for a
   * folder into itself, 'usage' for another volume; then nothing is left of it.
   */
  clone(
    path: string,
    to: string,
    options?: FileCallOptions & Moment,
  ): AsyncIterable<readonly CloneEvent[]>
  /**
   * Copy all of a volume, or of a snapshot of it, into another one: a new volume, which has the
   * same settings but for those about members and tiers, or one with nothing in it. All is read,
   * sealed and stored anew. Events as of clone(). throws 'no-such-volume', 'ENOENT' for a snapshot
   * that is none, 'EEXIST', 'EPERM' for who is no admin of the other, 'ENOSPC',
   * 'chunk-unavailable'; then that is empty.
   */
  cloneVolume(
    volume: string,
    name: string,
    options?: CallOptions & CloneVolumeOptions,
  ): AsyncIterable<readonly CloneEvent[]>
}

export const clonesRoutes: RoutesOf<ClonesApi> = {
  clone: route(
    { answer: 'pages', method: 'PUT', path: 'clone', hasSession: true },
    ['path', 'to'],
    ({ path, wallTime, text }) => ({
      path,
      to: path,
      atMs: wallTime.optional(),
      version: text(1, VERSION_TEXT_MAX).optional(),
    }),
  ),
  cloneVolume: pages('volume-clone', ['volume', 'name'], ({ label }) => ({
    volume: label,
    name: label,
    snapshot: label.optional(),
  })),
}

export interface CloneVolumeOptions {
  /** Default: what is there now. */
  readonly snapshot?: string | undefined
}

/** The part of a clone that is made. */
export interface Cloned {
  readonly files: number
  readonly folders: number
  /** The size of these files. */
  readonly sizeBytes: number
  /** Files of which another state than that of the moment was the nearest that is kept. */
  readonly nearest: number
}

export type CloneEvent =
  | ({ readonly kind: 'progress'; readonly totalBytes?: number | undefined } & Cloned)
  | ({ readonly kind: 'done' } & Cloned)
