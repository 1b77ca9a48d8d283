// The volumes that this node has left and still keeps: closed, known to nobody, and whole, so that
// they can come back until their time is over. The owner of a volume's data alone deletes these
// (gc/left-data.ts); here is which volumes there are, and how far that is.
import { ShoalError } from '../../protocol/errors.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import type { Volume } from './volume.ts'
import type { Leaving, Stage, VolumeRecord, VolumeRecords } from './volume-records.ts'

const LEFT_KEPT_MS: number = 7 * DAY_MS

export interface LeftVolume extends VolumeRecord {
  readonly leaving: Leaving
}

export interface LeftVolumesComponents {
  readonly records: VolumeRecords
  readonly clock: Pick<Clock, 'wall'>
  readonly open: (record: VolumeRecord) => Promise<Volume>
}

export class LeftVolumes {
  readonly #c: LeftVolumesComponents
  readonly #left = new Map<VolumeId, LeftVolume>()

  constructor(components: LeftVolumesComponents) {
    this.#c = components
  }

  /** Take up one that an earlier run left. */
  add(left: LeftVolume): void {
    this.#left.set(left.id, left)
  }

  /** In the order in which they were left. */
  all(): readonly LeftVolume[] {
    return [...this.#left.values()].sort((a, b) => a.leaving.leftMs - b.leaving.leftMs)
  }

  /** Those whose time is over, or whose removal was broken off. */
  due(): readonly LeftVolume[] {
    const nowMs = this.#c.clock.wall()
    return this.all().filter(({ leaving }) => leaving.stage !== 'kept' || leaving.untilMs <= nowMs)
  }

  /** For who looks at what it holds; the caller closes it. */
  open(left: LeftVolume): Promise<Volume> {
    return this.#c.open(left)
  }

  get(id: VolumeId): LeftVolume | undefined {
    return this.#left.get(id)
  }

  /** By name or id. throws 'no-such-volume', 'usage' for a name that several had. */
  find(nameOrId: string): LeftVolume {
    const all = this.all()
    const found = all.filter(({ id, name }) => name === nameOrId || id === nameOrId)
    const [one] = found
    if (one !== undefined && found.length === 1) return one
    if (one !== undefined)
      throw new ShoalError(
        'usage',
        `several volumes named "${nameOrId}" were left; give an id: ${found.map(({ id }) => id).join(', ')}`,
      )
    const known = all.map(({ name }) => name).join(', ')
    throw new ShoalError(
      'no-such-volume',
      `no volume "${nameOrId}" was left; volumes that are kept: ${known === '' ? 'none' : known}`,
    )
  }

  /** A volume is left from now on, durably. */
  async leave(record: VolumeRecord): Promise<LeftVolume> {
    const leftMs = this.#c.clock.wall()
    const untilMs = (leftMs + LEFT_KEPT_MS) as WallTime
    return this.#put({ ...record, leaving: { leftMs, untilMs, stage: 'kept' } })
  }

  /**
   * The removal is so far, durably: the volume cannot come back any more. undefined: it has come
   * back already.
   */
  async advance({ id }: LeftVolume, stage: Stage): Promise<LeftVolume | undefined> {
    const left = this.#left.get(id)
    return left && this.#put({ ...left, leaving: { ...left.leaving, stage } })
  }

  /**
   * A volume is at work again, durably, under this name. throws 'EBUSY' where it is being deleted.
   */
  async take(left: LeftVolume, name: string): Promise<VolumeRecord> {
    if (left.leaving.stage !== 'kept')
      throw new ShoalError(
        'EBUSY',
        `volume "${left.name}" is being deleted here and cannot come back; ` +
          'to join it anew, try again in a minute with a ticket of another member',
      )
    const record = { ...left, name, leaving: undefined }
    await this.#c.records.put(record)
    this.#left.delete(left.id)
    return record
  }

  /** Deletes the state of a volume of which the data are gone, and forgets it, durably. */
  async erase(left: LeftVolume): Promise<void> {
    await this.#c.records.erase(left)
    this.#left.delete(left.id)
  }

  async #put(left: LeftVolume): Promise<LeftVolume> {
    await this.#c.records.put(left)
    this.#left.set(left.id, left)
    return left
  }
}
