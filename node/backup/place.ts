// The objects of one backup place, below a folder that is named by the key: whoever has another key
// looks elsewhere, and several may share a place. Objects are never written over. Those but packs
// and locks are named by their bytes, so one that was changed is found out before it is opened.
import { concatBytes, toHex } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import {
  DIRECTORY_BYTES_MAX,
  TRAILER_BYTES,
  directoryLength,
  openDirectory,
} from '../../protocol/backup/pack.ts'
import { SALT_BYTES, objectName, openObject, sealObject } from '../../protocol/backup/sealed.ts'
import type { SealedKind } from '../../protocol/backup/sealed.ts'
import type { BackupKeys } from '../../protocol/backup/key.ts'
import type { IndexedPack } from '../../protocol/backup/index-object.ts'
import type { ObjectTier, Random, TierObject } from '../world/world.ts'

/** The end of a pack that is read at once: most directories are shorter. */
const TAIL_BYTES = 16 * 1024
const OBJECT_BYTES_MAX: number = 256 * MIB

export interface PlaceComponents {
  readonly tier: ObjectTier
  readonly keys: BackupKeys
  readonly random: Pick<Random, 'bytes'>
}

interface Options {
  readonly signal: AbortSignal
}

export class BackupPlace {
  readonly keys: BackupKeys
  readonly #tier: ObjectTier
  readonly #random: Pick<Random, 'bytes'>

  constructor({ tier, keys, random }: PlaceComponents) {
    this.#tier = tier
    this.keys = keys
    this.#random = random
  }

  /** In hex. */
  freshId(bytes: number): string {
    return toHex(this.#random.bytes(bytes))
  }

  freshSalt(): Uint8Array {
    return this.#random.bytes(SALT_BYTES)
  }

  /** Put an object that is named by its bytes. returns its name. */
  async put(kind: SealedKind, value: unknown, options: Options): Promise<string> {
    const bytes = sealObject(this.keys, kind, '', value, this.freshSalt())
    const name = objectName(bytes)
    await this.#put(this.#key(kind, name), bytes, options)
    return name
  }

  /** throws ShoalError 'corrupt', 'malformed', 'cold-*'. */
  async read(kind: SealedKind, name: string, options: Options): Promise<unknown> {
    const bytes = await this.#read(this.#key(kind, name), undefined, options)
    if (objectName(bytes) !== name)
      throw new ShoalError('corrupt', `${kind}/${name} is not what was put there`)
    return openObject(this.keys, kind, '', bytes)
  }

  /** Put an object over one that may be there. */
  async putNamed(kind: SealedKind, name: string, value: unknown, options: Options): Promise<void> {
    const bytes = sealObject(this.keys, kind, name, value, this.freshSalt())
    await this.#put(this.#key(kind, name), bytes, options)
  }

  async readNamed(kind: SealedKind, name: string, options: Options): Promise<unknown> {
    const bytes = await this.#read(this.#key(kind, name), undefined, options)
    return openObject(this.keys, kind, name, bytes)
  }

  /** Undefined: surely not there. */
  head(kind: SealedKind, name: string, options: Options): Promise<TierObject | undefined> {
    return this.#tier.head(this.#key(kind, name), options)
  }

  /** Those of a kind, by name. */
  async *list(
    kind: SealedKind,
    { signal }: Options,
  ): AsyncGenerator<TierObject & { readonly name: string }> {
    for await (const object of this.#tier.list(`${this.keys.id}/${kind}/`, { signal })) {
      const name = object.key.slice(object.key.lastIndexOf('/') + 1)
      if (this.#key(kind, name) === object.key) yield { ...object, name }
    }
  }

  async putPack(
    id: string,
    bytes: number,
    parts: AsyncIterable<Uint8Array>,
    { signal }: Options,
  ): Promise<void> {
    await this.#tier.put(this.#key('packs', id), bytes, parts, { signal })
  }

  /** Bytes [from, to) of a pack. throws ShoalError 'corrupt' where it ends before, 'cold-*'. */
  async readPack(id: string, from: number, to: number, options: Options): Promise<Uint8Array> {
    const bytes = await this.#read(this.#key('packs', id), { from, to }, options)
    if (bytes.length === to - from) return bytes
    throw new ShoalError('corrupt', `pack ${id} is cut off`)
  }

  /** Reads what a pack says of itself. throws ShoalError 'corrupt', 'malformed', 'cold-*'. */
  async readDirectory(id: string, bytes: number, options: Options): Promise<IndexedPack> {
    const tail = await this.readPack(id, Math.max(0, bytes - TAIL_BYTES), bytes, options)
    if (tail.length < TRAILER_BYTES) throw new ShoalError('corrupt', `pack ${id} is cut off`)
    const length = directoryLength(tail.subarray(-TRAILER_BYTES)) + TRAILER_BYTES
    if (length > bytes || length > DIRECTORY_BYTES_MAX + TRAILER_BYTES)
      throw new ShoalError('corrupt', `pack ${id} has no directory`)
    const end =
      length <= tail.length
        ? tail.subarray(tail.length - length)
        : await this.readPack(id, bytes - length, bytes, options)
    return { id, bytes, ...openDirectory(this.keys, id, end.subarray(0, -TRAILER_BYTES)) }
  }

  async remove(kind: SealedKind, names: readonly string[], options: Options): Promise<void> {
    const keys = names.map((name) => this.#key(kind, name))
    await this.#tier.remove(keys, options)
  }

  /** How many other keys have backups at the same place. */
  async others(options: Options): Promise<number> {
    const found = new Set<string>()
    for await (const { key } of this.#tier.list('', options)) {
      const [, id] = /^([0-9a-f]{64})\/(?:packs|backups|index)\//.exec(key) ?? []
      if (id !== undefined && id !== this.keys.id) found.add(id)
    }
    return found.size
  }

  #key(kind: SealedKind, name: string): string {
    const folder = kind === 'packs' ? `packs/${name.slice(0, 2)}` : kind
    return `${this.keys.id}/${folder}/${name}`
  }

  async #put(key: string, bytes: Uint8Array, { signal }: Options): Promise<void> {
    const once = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes
    }
    await this.#tier.put(key, bytes.length, once(), { signal })
  }

  async #read(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    options: Options,
  ): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of this.#tier.get(key, range, options)) {
      length += part.length
      if (length > OBJECT_BYTES_MAX) throw new ShoalError('corrupt', `${key} is too large`)
      parts.push(part)
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : concatBytes(parts)
  }
}
