// The seam by which parts of a node tell of their work to whoever measures it. Without metrics it
// is NO_METER: a call that does nothing.
import type { PeerId } from '../../protocol/ids.ts'

export interface Meter {
  /** A call at a door ('control', 'http', 'mount') has ended. */
  called(door: string, operation: string, ms: number, isFailed: boolean): void
  /** Bytes went to a peer, or came from it. */
  moved(peer: PeerId, protocol: string, direction: 'in' | 'out', bytes: number): void
  /** Bytes went to the disk, or came from it. */
  disk(direction: 'read' | 'written', bytes: number): void
  /** Something was made durable. */
  synced(ms: number): void
}

export const NO_METER: Meter = {
  called: () => {},
  moved: () => {},
  disk: () => {},
  synced: () => {},
}
