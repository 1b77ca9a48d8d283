// What an archive was found to hold, and how that is made: the same for both kinds of archives.
import type { ImportCounts } from '../control/exchange.ts'
import type { ImportPlace } from './import-place.ts'

export interface Making {
  readonly total: ImportCounts
  /** Make all of it. throws what keeps it from that, with some of it made. */
  make(place: ImportPlace): Promise<void>
}
