// The objects of a backup in a tier (protocol/cold/backup.ts): put and read back before anything counts on them, and read.
import { concatBytes, equalBytes } from '../../protocol/bytes.ts'
import {
  headKey,
  headTime,
  headsPrefix,
  isHeadOf,
  openHead,
  openPart,
  sealPart,
} from '../../protocol/cold/backup.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { BackupHead, BackupPart } from '../../protocol/cold/backup.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ObjectTier, Random } from '../world/world.ts'

const KEY_BYTES = 32
/** Whatever the class of packs: it is read back at once, and soon replaced, for which others take their time or charge. */
const STORAGE_CLASS = 'STANDARD'

/** A head that lies in a tier. */
export interface StoredHead {
  readonly key: string
  readonly time: WallTime
}

export class BackupObjects {
  readonly tier: ObjectTier
  readonly #volume: VolumeId
  readonly #signal: AbortSignal

  constructor(tier: ObjectTier, volume: VolumeId, signal: AbortSignal) {
    this.tier = tier
    this.#volume = volume
    this.#signal = signal
  }

  /** Newest first. throws ShoalError 'cold-*'. */
  async heads(): Promise<StoredHead[]> {
    const heads: StoredHead[] = []
    for (const key of (await this.list(headsPrefix(this.#volume))).keys()) {
      const time = headTime(this.#volume, key)
      if (time !== undefined) heads.push({ key, time })
    }
    return heads.sort((a, b) => (a.key < b.key ? 1 : -1))
  }

  /** Keys below a prefix, with when they were put. */
  async list(prefix: string): Promise<Map<string, WallTime>> {
    const found = new Map<string, WallTime>()
    for await (const { key, modifiedMs } of this.tier.list(prefix, { signal: this.#signal }))
      found.set(key, modifiedMs)
    return found
  }

  /** throws ShoalError 'EACCES' if it is not for this seed, 'corrupt', 'malformed', 'unsupported', 'cold-*'. */
  async readHead({ key }: StoredHead, seed: Uint8Array): Promise<BackupHead> {
    const bytes = await this.#get(key)
    if (!isHeadOf(key, bytes)) throw new ShoalError('corrupt', `${key} in the tier is damaged`)
    return openHead(this.#volume, bytes, seed)
  }

  async putHead(time: WallTime, bytes: Uint8Array): Promise<string> {
    const key = headKey(this.#volume, time, bytes)
    await this.#put(key, bytes)
    return key
  }

  /** throws ShoalError 'corrupt', 'cold-*'. */
  async readPart(prefix: string, part: BackupPart): Promise<Uint8Array[]> {
    return openPart(this.#volume, part, await this.#get(prefix + part.id))
  }

  async putPart(
    prefix: string,
    items: readonly Uint8Array[],
    random: Pick<Random, 'bytes'>,
  ): Promise<BackupPart> {
    const { sealed, ...part } = sealPart(this.#volume, items, random.bytes(KEY_BYTES))
    await this.#put(prefix + part.id, sealed)
    return part
  }

  async #get(key: string): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.tier.get(key, undefined, { signal: this.#signal }))
      pieces.push(piece)
    return concatBytes(pieces)
  }

  /** throws ShoalError 'cold-corrupt' if it reads back otherwise. */
  async #put(key: string, bytes: Uint8Array): Promise<void> {
    const options = { signal: this.#signal, storageClass: STORAGE_CLASS }
    await this.tier.put(key, bytes.length, once(bytes), options)
    if (equalBytes(await this.#get(key), bytes)) return
    await this.tier.remove([key], { signal: this.#signal })
    throw new ShoalError('cold-corrupt', `${key} reads back from the tier other than it was put`)
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}
