// The records of the volumes a node has, one of each: 'V' + tag -> [genesis, name], and of one that
// was left also since when, until when it is kept, and how far its removal is. The tag begins all
// keys of the volume. No volume is gone before its record, which goes last.
import { journalName } from './journal/journal-replay.ts'
import { removeJournal } from '../store/journal.ts'
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { assert } from '../../protocol/errors.ts'
import { volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { WallTime } from '../../protocol/units.ts'
import { StateView } from '../state/state-view.ts'
import type { KvWrite } from '../store/kv.ts'
import type { Store } from '../store/store.ts'
import type { Disk } from '../world/world.ts'

const PREFIX: ByteString = STORE_PREFIXES.volume
const RECORDS = { from: PREFIX, to: 'W' } as const

/**
 * How far the removal of a volume is that was left: all of it is kept and can come back; its data
 * are being deleted; they are gone, and its state is being deleted.
 */
export const STAGES = ['kept', 'deleting', 'deleted'] as const
export type Stage = (typeof STAGES)[number]

export interface Leaving {
  readonly leftMs: WallTime
  readonly untilMs: WallTime
  readonly stage: Stage
}

export interface VolumeRecord {
  readonly id: VolumeId
  readonly tag: ByteString
  readonly genesis: Uint8Array
  readonly name: string
  /** Undefined: it is at work. */
  readonly leaving: Leaving | undefined
}

type Stored = readonly [Uint8Array, string, number?, number?, number?]

export class VolumeRecords {
  readonly #store: Pick<Store, 'kv' | 'commit'>
  readonly #disk: Disk | undefined

  /** disk: where the journals are. */
  constructor(store: Pick<Store, 'kv' | 'commit'>, disk: Disk | undefined) {
    this.#store = store
    this.#disk = disk
  }

  /** In the order in which the volumes came. */
  async all(): Promise<readonly VolumeRecord[]> {
    const records: VolumeRecord[] = []
    for await (const [key, value] of this.#store.kv.scan(RECORDS))
      records.push(decodeRecord(key.slice(PREFIX.length), value))
    return records
  }

  /** The record of a volume which this node has, or has left. */
  async of(id: VolumeId): Promise<VolumeRecord> {
    const record = (await this.all()).find((one) => one.id === id)
    assert(record !== undefined, 'a volume of this node has a record')
    return record
  }

  /** Durable. */
  async put(record: VolumeRecord): Promise<void> {
    await this.#store.commit([recordWrite(record)])
  }

  /**
   * Deletes the state of a volume and its journal, and then its record, durably. Its data must be
   * gone.
   */
  async erase({ tag }: VolumeRecord): Promise<void> {
    await new StateView(this.#store.kv, tag).clear()
    if (this.#disk !== undefined) await removeJournal(journalName(this.#disk, tag))
    await this.#store.commit([{ kind: 'delete', key: PREFIX + tag }])
  }

  /** Tags count up, so that scanning them gives the volumes in the order they came. */
  async freshTag(): Promise<ByteString> {
    let last = 0
    for await (const [key] of this.#store.kv.scan(RECORDS))
      last = key.charCodeAt(1) * 256 + key.charCodeAt(2)
    return String.fromCharCode((last + 1) >> 8, (last + 1) & 0xff)
  }
}

export function recordWrite({ tag, genesis, name, leaving }: Omit<VolumeRecord, 'id'>): KvWrite {
  const left = leaving && [leaving.leftMs, leaving.untilMs, STAGES.indexOf(leaving.stage)]
  return { kind: 'put', key: PREFIX + tag, value: encodeCbor([genesis, name, ...(left ?? [])]) }
}

function decodeRecord(tag: ByteString, value: Uint8Array): VolumeRecord {
  const [genesis, name, leftMs, untilMs, stage = 0] = decodeCbor(value, 'volume record') as Stored
  const leaving =
    leftMs === undefined
      ? undefined
      : {
          leftMs: leftMs as WallTime,
          untilMs: (untilMs ?? leftMs) as WallTime,
          stage: STAGES[stage] ?? 'kept',
        }
  return { id: volumeIdOf(genesis), tag, genesis, name, leaving }
}
