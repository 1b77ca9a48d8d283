// Fetches of checkpoints from peers, by a node that lacks what these have dropped from the log: one
// at a time from each, and not soon again where one was of no use.
import { hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { examine } from '../checkpoint/announcement.ts'
import type { CheckpointTransfer } from '../checkpoint/checkpoint-transfer.ts'
import type { Checkpoints } from '../checkpoint/checkpoints.ts'
import { BackoffTable } from '../jobs/backoff.ts'
import type { Volume } from '../log/volume.ts'
import { isSame } from '../replica/kept-checkpoint.ts'
import type { World } from '../world/world.ts'
import { exchangeKey } from './catch-up.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Why a checkpoint that was offered was of no use. */
const IN_VAIN_FALSE = ['corrupt', 'malformed', 'bad-signature', 'EACCES'] as const
const IN_VAIN = [...IN_VAIN_FALSE, 'EEXIST'] as const

export interface CheckpointFetchesComponents {
  readonly world: Pick<World, 'clock'>
  readonly transfer: CheckpointTransfer
  readonly checkpointsOf: (volume: Volume) => Checkpoints
  /** A peer that is asked something by the owner of this node is asked at once. */
  readonly isAsked: (peer: PeerId) => boolean
  /** There is more of the log to be had now. */
  readonly onNew: (volume: Volume, peer: PeerId) => void

  readonly log: WriteLog
}

export class CheckpointFetches {
  readonly #c: CheckpointFetchesComponents
  /** By volume and peer those that run. */
  readonly #running = new Map<string, Promise<boolean>>()
  /** The same of those that were of no use. */
  readonly #backoff: BackoffTable<string>

  constructor(components: CheckpointFetchesComponents) {
    this.#c = components
    const { clock } = components.world
    this.#backoff = new BackoffTable(clock, { firstMs: MINUTE_MS, longestMs: 10 * MINUTE_MS })
  }

  /** The one that runs. */
  running(volume: Volume, peer: PeerId): Promise<boolean> | undefined {
    return this.#running.get(exchangeKey(volume, peer))
  }

  /** Starts from a peer's checkpoint: entries missing here are not in its log any more. */
  start(volume: Volume, peer: PeerId): void {
    const key = exchangeKey(volume, peer)
    if (this.#running.has(key) || !(this.#c.isAsked(peer) || this.#backoff.isDue(key))) return
    const work = this.fetch(volume, peer).finally(() => this.#running.delete(key))
    this.#running.set(key, work)
    work.then(
      (isNew) => {
        if (!isNew) return void this.#backoff.failed(key)
        this.#backoff.succeeded(key)
        this.#c.onNew(volume, peer)
      },
      (error: unknown) => {
        if (IN_VAIN.some((code) => hasCode(error, code))) this.#backoff.failed(key)
        if (IN_VAIN_FALSE.some((code) => hasCode(error, code)))
          volume.events.security.tell({ kind: 'checkpoint-refused', peer, message: String(error) })
        this.#c.log('checkpoint.not-had', { peer, error: String(error) })
      },
    )
  }

  /**
   * accepted: the owner of this node vouches for it. returns whether this node has another
   * checkpoint by that.
   */
  async fetch(volume: Volume, peer: PeerId, accepted = false): Promise<boolean> {
    const before = volume.checkpoint
    await volume.orphanNodes.fetch(async () => {
      const fetched = await this.#c.transfer.fetch(volume, peer, (found) =>
        examine(volume, found, { from: peer, accepted }),
      )
      await this.#c.checkpointsOf(volume).install(fetched)
      return isSame(volume.checkpoint, fetched)
    })
    const isNew = !isSame(volume.checkpoint, before)
    if (isNew) volume.strand(undefined)
    return isNew
  }
}
