// What the owner asks of a node about pins: wishes for a folder with all below it, or for a file, that come before what
// the volume says. The nearest counts.
import type { CallOptions } from './api.ts'

export interface PinsApi {
  /**
   * Have what is at a path and below kept in a redundancy class. What is there is packed anew in the background.
   * throws 'usage' for what is no class, 'ENOENT', 'ENOTDIR', 'EPERM'.
   */
  addPin(path: string, pin: { readonly class: string }, options?: CallOptions): Promise<Pin>
  /** throws 'ENOENT' where there is no pin. */
  removePin(path: string, options?: CallOptions): Promise<void>
  /** Of a volume, by path. throws 'no-such-volume'. */
  listPins(
    options?: CallOptions & { readonly volume?: string | undefined },
  ): Promise<readonly Pin[]>
}

export interface Pin {
  readonly path: string
  /** As `shoal volume set` takes it: rs6+3, copies3, auto. */
  readonly class: string
}
