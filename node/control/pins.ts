// What the owner asks of a node about pins: wishes for a folder with all below it, or for a file, that come before what
// the volume says.
import type { ErrorCode } from '../../protocol/errors.ts'
import type { CallOptions } from './api.ts'

export interface PinsApi {
  /**
   * Have what is at a path and below kept in a redundancy class; of several pins the nearest counts. What is there is packed
   * anew in the background. throws 'usage' for what is no class, 'ENOENT', 'ENOTDIR', 'EPERM'.
   */
  addPin(path: string, pin: { readonly class: string }, options?: CallOptions): Promise<ClassPin>
  /**
   * Have all that is at a path and below on this node, and what comes or changes there. In pages, until all is here; to
   * break off ends the telling alone, and the pin stays. throws 'ENOENT', 'ENOTDIR'; 'ENOSPC' or 'chunk-unavailable' naming
   * a path that could not be fetched: it is tried again.
   */
  addLocalPin(path: string, options?: CallOptions): AsyncIterable<readonly PinProgress[]>
  /** All pins of a path. What a local one kept here stays until its space is wanted. throws 'ENOENT' where there is none. */
  removePin(path: string, options?: CallOptions): Promise<void>
  /** Of a volume, and of this node in it, by path. throws 'no-such-volume'. */
  listPins(
    options?: CallOptions & { readonly volume?: string | undefined },
  ): Promise<readonly Pin[]>
}

export type Pin = ClassPin | LocalPin

/** Of all nodes. */
export interface ClassPin {
  readonly path: string
  readonly kind: 'class'
  /** As `shoal volume set` takes it: rs6+3, copies3, auto. */
  readonly class: string
}

/** Of this node alone. */
export interface LocalPin {
  readonly path: string
  readonly kind: 'local'
  /** Of all versions of the files below. */
  readonly wantedBytes: number
  /** Of those that are here. */
  readonly actualBytes: number
  /** Why some is not. */
  readonly failure?: { readonly code: ErrorCode; readonly message: string } | undefined
}

/** How much is here. */
export type PinProgress = Pick<LocalPin, 'wantedBytes' | 'actualBytes'>
