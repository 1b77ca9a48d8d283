// The verified content of an archive, and the way to make it: the same for both kinds of archives.
import type { ImportCounts } from '../control/exchange.ts'
import type { ImportPlace } from './import-place.ts'

export interface Making {
  readonly total: ImportCounts
  /** Make all of it. throws what keeps it from that, with some of it made. */
  make(place: ImportPlace): Promise<void>
}
