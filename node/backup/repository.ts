// The contents of a backup place, read once: which chunks are in which packs, and which backups
// there are. Nothing is believed that was not sealed with the key. A pack that no index names tells
// of itself, as after a run that was killed; one that is named and not there is left out.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { decodeIndex } from '../../protocol/backup/index-object.ts'
import { decodeBackup, decodeRemoval, isRecordName } from '../../protocol/backup/record.ts'
import type { BackupRecord } from '../../protocol/backup/record.ts'
import { ChunkIndex } from './chunk-index.ts'
import type { KnownPack } from './chunk-index.ts'
import type { BackupPlace } from './place.ts'
import { inParallel } from '../stripes/in-parallel.ts'

/** Objects read at a time. */
const READS = 8

/** A backup and the name of its record, which is its id. */
export interface NamedBackup extends BackupRecord {
  readonly id: string
}

/** An object that is damaged, missing, or not what it claims to be. */
export interface PlaceProblem {
  /** "pack 1234": what it is about. */
  readonly what: string
  readonly why: string
}

interface Options {
  readonly signal: AbortSignal
}

export class Repository {
  readonly place: BackupPlace
  readonly index: ChunkIndex = new ChunkIndex()
  /** By number, the newest last. */
  readonly backups: NamedBackup[] = []
  /** Names of backups that were removed by who has the key, and of the records that say so. */
  readonly removed: Map<string, string> = new Map()
  readonly problems: PlaceProblem[] = []
  /** Index objects by name, with the packs that they tell of. */
  readonly indexes: Map<string, readonly string[]> = new Map()
  /** Packs that no index object names. */
  readonly untold: KnownPack[] = []
  readonly #there = new Map<string, number>()

  private constructor(place: BackupPlace) {
    this.place = place
  }

  /** throws ShoalError 'ENOENT' where nothing was ever put with this key, 'cold-*'. */
  static async open(
    place: BackupPlace,
    { signal, isNew = false }: Options & { readonly isNew?: boolean },
  ): Promise<Repository> {
    const found = new Repository(place)
    await found.#readRecords(signal)
    await found.#readIndex(signal)
    await found.#readPacks(signal)
    const isEmpty = found.backups.length === 0 && found.problems.length === 0
    if (isEmpty && !isNew) throw await nothingThere(place, signal)
    found.#findMissing()
    return found
  }

  /** Only the records: for lists. throws as open(). */
  static async openRecords(place: BackupPlace, { signal }: Options): Promise<Repository> {
    const found = new Repository(place)
    await found.#readRecords(signal)
    if (found.backups.length === 0 && found.problems.length === 0)
      throw await nothingThere(place, signal)
    found.#findMissing()
    return found
  }

  get newest(): NamedBackup | undefined {
    return this.backups.at(-1)
  }

  /** Is a pack there, as long as it was? */
  isThere(pack: KnownPack): boolean {
    return this.#there.get(pack.id) === pack.bytes
  }

  /** It was put just now. */
  added(pack: KnownPack): void {
    this.#there.set(pack.id, pack.bytes)
  }

  /** It is damaged, or was removed. */
  lost(pack: KnownPack): void {
    this.#there.delete(pack.id)
  }

  async #readRecords(signal: AbortSignal): Promise<void> {
    await this.#each('backups', signal, async (name) => {
      this.backups.push({
        id: name,
        ...decodeBackup(await this.place.read('backups', name, { signal })),
      })
    })
    this.backups.sort((a, b) => a.number - b.number || (a.id < b.id ? -1 : 1))
    await this.#each('removed', signal, async (name) => {
      const { removed } = decodeRemoval(await this.place.read('removed', name, { signal }))
      for (const id of removed) this.removed.set(id, name)
    })
  }

  async #readIndex(signal: AbortSignal): Promise<void> {
    await this.#each('index', signal, async (name) => {
      const packs = decodeIndex(await this.place.read('index', name, { signal }))
      for (const pack of packs) this.index.add(pack)
      this.indexes.set(
        name,
        packs.map(({ id }) => id),
      )
    })
  }

  async #readPacks(signal: AbortSignal): Promise<void> {
    const { place } = this
    const unknown = this.#unknownPacks(signal)
    await inParallel(unknown, READS, async ({ name, bytes }) => {
      try {
        const pack = this.index.add(await place.readDirectory(name, bytes, { signal }))
        this.untold.push(pack)
      } catch (error) {
        signal.throwIfAborted()
        if (isOfPlace(error)) throw error
        const why = `no index tells of it, nor it of itself: ${asShoalError(error).message}`
        this.problems.push({ what: `pack ${name}`, why })
      }
    })
    for (const pack of this.index.packs()) {
      if (this.isThere(pack)) continue
      const bytes = this.#there.get(pack.id)
      const why = bytes === undefined ? 'is missing' : 'has another length than it was put with'
      this.problems.push({ what: `pack ${pack.id}`, why })
    }
  }

  async *#unknownPacks(
    signal: AbortSignal,
  ): AsyncGenerator<{ name: string; bytes: number }, void, undefined> {
    for await (const { name, bytes } of this.place.list('packs', { signal })) {
      this.#there.set(name, bytes)
      if (this.index.pack(name) === undefined) yield { name, bytes }
    }
  }

  async #each(
    kind: 'backups' | 'removed' | 'index',
    signal: AbortSignal,
    read: (name: string) => Promise<void>,
  ): Promise<void> {
    const names: string[] = []
    for await (const { name } of this.place.list(kind, { signal }))
      if (isRecordName(name)) names.push(name)
    await inParallel(names.sort().values(), READS, async (name) => {
      try {
        await read(name)
      } catch (error) {
        signal.throwIfAborted()
        // Somebody else with the key has removed it just now.
        if (asShoalError(error).code === 'cold-missing') return
        if (isOfPlace(error)) throw error
        this.problems.push({ what: `${kind}/${name}`, why: asShoalError(error).message })
      }
    })
  }

  /** Backups that others tell of, and nobody with the key removed. */
  #findMissing(): void {
    const there = new Set(this.backups.map(({ id }) => id))
    const missing = new Set(this.backups.flatMap(({ known }) => known))
    for (const id of missing) {
      if (there.has(id) || this.removed.has(id)) continue
      const why = 'was taken away by somebody without the key, or is damaged'
      this.problems.push({ what: `backup ${id.slice(0, 8)}`, why })
    }
  }
}

/** Is it the place that does not answer, and not this object? */
function isOfPlace(error: unknown): boolean {
  const { code } = asShoalError(error)
  return code.startsWith('cold-') && code !== 'cold-missing' && code !== 'cold-corrupt'
}

async function nothingThere(place: BackupPlace, signal: AbortSignal): Promise<ShoalError> {
  const others = await place.others({ signal })
  const why =
    others === 0
      ? 'there are no backups at this place'
      : `none of the backups at this place (of ${others} other keys) is of this key; check the key`
  return new ShoalError('ENOENT', why)
}
