// Caches the summaries of the logs here, made once for as long as they are the same. A member that
// says the same is understood at once: in a large swarm most do, and to read what is said of
// hundreds of actors is most of what an exchange costs.
import { equalBytes } from '../../protocol/bytes.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import {
  HELLO_TIME,
  decodeLogMessage,
  encodeLogMessage,
  timeOfSame,
} from '../../protocol/wire/log.ts'
import type { LogMessage, LogSummary } from '../../protocol/wire/log.ts'
import { summaryOf } from '../log/log-summary.ts'
import type { Checkpoint } from '../replica/kept-checkpoint.ts'
import type { Volume } from '../log/volume.ts'

/** The durable part of a log, and the messages that describe it; hello: at HELLO_TIME. */
export interface Said {
  readonly log: LogSummary
  readonly hello: Uint8Array
  readonly durable: Uint8Array
}

interface Kept extends Said {
  readonly checkpoint: Checkpoint | undefined
}

export class SummaryCache {
  readonly #kept = new Map<VolumeId, Kept>()

  of(volume: Volume): Said {
    const { id, checkpoint, branches } = volume
    const known = this.#kept.get(id)
    const isSame =
      known?.log.vector === volume.durableVector() &&
      known.checkpoint === checkpoint &&
      known.log.attested === volume.attestations.digest
    // Branches may come to be called otherwise meanwhile.
    if (known !== undefined && isSame && branches.isEmpty) return known
    const log = summaryOf(volume)
    const hello = encodeLogMessage({ kind: 'hello', volume: id, log, timeMs: HELLO_TIME })
    const durable = encodeLogMessage({ kind: 'durable', log })
    const kept = { log, hello, durable, checkpoint }
    this.#kept.set(id, kept)
    return kept
  }

  /** As decodeLogMessage. */
  decode(frame: Uint8Array): LogMessage {
    for (const [volume, { hello, durable, log }] of this.#kept) {
      const timeMs = timeOfSame(hello, frame)
      if (timeMs !== undefined) return { kind: 'hello', volume, log, timeMs }
      if (equalBytes(frame, durable)) return { kind: 'durable', log }
    }
    return decodeLogMessage(frame)
  }
}
