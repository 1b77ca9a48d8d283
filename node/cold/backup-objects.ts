// The objects of a backup in a tier (protocol/cold/backup.ts, head.ts): put and read back before
// anything counts on them, and read, never more of one than it may have: others can write to the
// tier, too.
import { concatBytes, equalBytes } from '../../protocol/bytes.ts'
import { openPart, sealPart } from '../../protocol/cold/backup.ts'
import { headIdOf, headKey, headOfKey, headsPrefix, openHead } from '../../protocol/cold/head.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { BackupPart } from '../../protocol/cold/backup.ts'
import type { BackupHead, HeadKeys } from '../../protocol/cold/head.ts'
import type { BackupHeadId, VolumeId } from '../../protocol/ids.ts'
import { BACKUP_HEAD_MAX } from '../../protocol/limits.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ObjectTier, Random } from '../world/world.ts'

const KEY_BYTES = 32
/**
 * Whatever the class of packs: it is read back at once, and soon replaced, for which others take
 * their time or charge.
 */
const STORAGE_CLASS = 'STANDARD'

/** An object that has the name of a head. */
export interface StoredHead {
  readonly id: BackupHeadId
  readonly key: string
  readonly modifiedMs: WallTime
}

export class BackupObjects {
  readonly tier: ObjectTier
  /** The name of the tier in the volume. */
  readonly name: string
  readonly #volume: VolumeId
  readonly #signal: AbortSignal

  constructor(
    { tier, name, volume }: { tier: ObjectTier; name: string; volume: VolumeId },
    signal: AbortSignal,
  ) {
    this.tier = tier
    this.name = name
    this.#volume = volume
    this.#signal = signal
  }

  /** Last put first. throws ShoalError 'cold-*'. */
  async heads(): Promise<StoredHead[]> {
    const heads: StoredHead[] = []
    for (const [key, modifiedMs] of await this.list(headsPrefix(this.#volume))) {
      const id = headOfKey(this.#volume, key)
      if (id !== undefined) heads.push({ id, key, modifiedMs })
    }
    return heads.sort((a, b) => b.modifiedMs - a.modifiedMs)
  }

  /** Keys below a prefix, with when they were put. */
  async list(prefix: string): Promise<Map<string, WallTime>> {
    const found = new Map<string, WallTime>()
    for await (const { key, modifiedMs } of this.tier.list(prefix, { signal: this.#signal }))
      found.set(key, modifiedMs)
    return found
  }

  /** throws ShoalError as openHead() does, 'cold-*'. */
  async readHead(id: BackupHeadId, keys: HeadKeys): Promise<BackupHead> {
    const bytes = await this.#get(headKey(this.#volume, id), BACKUP_HEAD_MAX)
    if (headIdOf(bytes) !== id) throw new ShoalError('corrupt', 'is damaged')
    return openHead(this.#volume, bytes, keys)
  }

  async putHead(bytes: Uint8Array): Promise<BackupHeadId> {
    const id = headIdOf(bytes)
    await this.#put(headKey(this.#volume, id), bytes)
    return id
  }

  /** throws ShoalError 'corrupt', 'cold-*'. */
  async readPart(prefix: string, part: BackupPart): Promise<Uint8Array[]> {
    return openPart(this.#volume, part, await this.#get(prefix + part.id, part.bytes))
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

  /** throws ShoalError 'cold-corrupt' for an object that has more bytes than it may. */
  async #get(key: string, bytesMax: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let bytes = 0
    for await (const piece of this.tier.get(key, undefined, { signal: this.#signal })) {
      bytes += piece.length
      if (bytes > bytesMax) throw new ShoalError('cold-corrupt', `${key} is too large`)
      pieces.push(piece)
    }
    return concatBytes(pieces)
  }

  /** throws ShoalError 'cold-corrupt' if it reads back otherwise. */
  async #put(key: string, bytes: Uint8Array): Promise<void> {
    const options = { signal: this.#signal, storageClass: STORAGE_CLASS }
    await this.tier.put(key, bytes.length, once(bytes), options)
    if (equalBytes(await this.#get(key, bytes.length), bytes)) return
    await this.tier.remove([key], { signal: this.#signal })
    throw new ShoalError('cold-corrupt', `${key} differs when read back from the tier`)
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}
