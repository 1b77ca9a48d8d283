// The owner's calls about pins: wishes for a folder with all below it, or for a file, that come
// before what the volume says.
import { call, pages } from './route.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface PinsApi {
  /**
   * Have what is at a path and below kept in a redundancy class; of several pins the nearest
   * counts. What is there is packed anew in the background. throws 'usage' for what is no class,
   * 'ENOENT', 'ENOTDIR', 'EPERM'.
   */
  addPin(path: string, pin: { readonly class: string }, options?: CallOptions): Promise<ClassPin>
  /**
   * Have all that is at a path and below put into a cold tier at once, and what comes or changes
   * there; of several pins the nearest counts. It goes there in the background. throws 'ENOENT' for
   * a tier that the volume does not have, naming those there are, or for no such path; 'ENOTDIR',
   * 'EPERM'.
   */
  addColdPin(path: string, tier: string, options?: CallOptions): Promise<ColdPin>
  /**
   * Have all that is at a path and below on this node, and what comes or changes there. In pages,
   * until all is here; to break off ends the telling alone, and the pin stays. throws 'ENOENT',
   * 'ENOTDIR'; 'ENOSPC' or 'chunk-unavailable' naming a path that could not be fetched: it is tried
   * again.
   */
  addLocalPin(path: string, options?: CallOptions): AsyncIterable<readonly PinProgress[]>
  /**
   * Removes all pins of a path, and says which those were. What a local one kept here stays until
   * its space is wanted, and what a cold one put into a tier as long as it is needed. throws
   * 'ENOENT' where there is none.
   */
  removePin(path: string, options?: CallOptions): Promise<readonly RemovedPin[]>
  /**
   * The pins of a volume, and of this node in it, and how much of each is as wanted. In pages: how
   * far the counting is, and last all pins, by path. throws 'no-such-volume'.
   */
  listPins(options?: VolumeCallOptions): AsyncIterable<readonly (PinsCounted | Pin)[]>
}

export const pinsRoutes: RoutesOf<PinsApi> = {
  addPin: call(['path', '*'], ({ path, label }) => ({ path, class: label })),
  addColdPin: call(['path', 'tier'], ({ path, label }) => ({ path, tier: label })),
  addLocalPin: pages('local-pin', ['path'], ({ path }) => ({ path })),
  removePin: call(['path'], ({ path }) => ({ path })),
  listPins: pages('pins', [], ({ volume }) => ({ volume })),
}

/** For all nodes: stored in stripes of a class. */
export interface ClassPin {
  readonly path: string
  readonly kind: 'class'
  /** As `shoal volume set` takes it: rs6+3, copies3, auto. */
  readonly class: string
}

/** For all nodes: stored in a cold tier. */
export interface ColdPin {
  readonly path: string
  readonly kind: 'cold'
  readonly tier: string
}

/** A pin that is no more. */
export type RemovedPin =
  Pick<ClassPin, 'kind' | 'class'> | Pick<ColdPin, 'kind' | 'tier'> | { readonly kind: 'local' }

/** For this node alone: kept here. */
export interface LocalPin extends PinState {
  readonly path: string
  readonly kind: 'local'
}

export type Pin = (ClassPin & PinState) | (ColdPin & PinState) | LocalPin

export interface PinState extends PinProgress {
  /** Why some is not there yet. */
  readonly failure?: { readonly code: ErrorCode; readonly message: string } | undefined
}

export interface PinProgress {
  /** The size of all versions of the files below. */
  readonly wantedBytes: number
  /** The size of those that are stored as wanted. */
  readonly actualBytes: number
}

/** How much of what is pinned was looked at. */
export interface PinsCounted {
  readonly kind: 'counted'
  readonly doneBytes: number
  readonly totalBytes: number
}
