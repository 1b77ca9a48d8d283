// A journal of one volume: what was acknowledged and is not yet durable in the ordered store, in
// two files that take turns (docs/formats/store.md#journals).
// Invariants:
//   records are numbered one after the other; a reader stops at the first that is missing or torn
//   a file is written anew only when all that it holds is durable in the ordered store
//   an append that failed is not followed by another before that: whoever waits for it is served by
//     a commit
import { createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { MIB } from '../../protocol/units.ts'
import type { Disk, DiskFile, Luck } from '../world/world.ts'
import { JOURNAL_HEAD_BYTES, decodeJournalHead, openItem, sealItem } from './journal-record.ts'
import type { JournalItem } from './journal-record.ts'

const FOLDER = 'journal'
/** A file of this size gives way to the other as soon as that is free. */
const TURN_BYTES: number = 2 * MIB
/** Nothing is added to a larger file. */
const FILE_BYTES_MAX: number = 64 * MIB

export interface JournalName {
  readonly disk: Disk
  /** The volume's, as a part of file names. */
  readonly name: string
}

/** A file, and the number of its last record. */
interface Half {
  readonly file: DiskFile
  bytes: number
  last: number
  isDirty: boolean
}

export class Journal {
  readonly #key: KeyObject
  readonly #random: Luck
  #active: Half
  #other: Half
  #last: number

  private constructor(
    { key, random }: { key: Uint8Array; random: Luck },
    halves: readonly [Half, Half],
    last: number,
  ) {
    // Made once: to make one takes as long as to seal a record.
    this.#key = createSecretKey(key)
    this.#random = random
    ;[this.#active, this.#other] = halves
    this.#last = last
  }

  /**
   * Begin anew. key: of this run alone, so that nothing in the files opens with it. after: the
   * number of the last record that the ordered store has.
   */
  static async begin(
    { disk, name, random }: JournalName & { readonly random: Luck },
    { key, after }: { key: Uint8Array; after: number },
  ): Promise<Journal> {
    await disk.makeFolder(FOLDER)
    await disk.syncFolder('')
    const open = async (path: string): Promise<Half> => ({
      file: await disk.open(path, 'write'),
      bytes: 0,
      last: after,
      isDirty: false,
    })
    const [first, second] = pathsOf(name)
    const halves = [await open(first), await open(second)] as const
    await disk.syncFolder(FOLDER)
    return new Journal({ key, random }, halves, after)
  }

  /** The number of the last record that was begun. */
  get last(): number {
    return this.#last
  }

  get isFull(): boolean {
    return this.#active.bytes > FILE_BYTES_MAX
  }

  /** A killed process leaves it, when it resolves. One call at a time. */
  async append(item: JournalItem): Promise<void> {
    const number = ++this.#last
    const half = this.#active
    half.last = number
    half.isDirty = true
    const parts = sealItem(this.#key, number, item)
    await half.file.write(half.bytes, parts)
    half.bytes += parts.reduce((sum, part) => sum + part.length, 0)
  }

  /** All records up to `durable` are in the ordered store. */
  turn(durable: number): void {
    const isDue = this.#active.bytes >= TURN_BYTES || this.#random.unlucky('store.journal-turns')
    if (!isDue || this.#other.last > durable) return
    ;[this.#active, this.#other] = [this.#other, this.#active]
    this.#active.bytes = 0
  }

  /** All appended before is on the disk. */
  async sync(): Promise<void> {
    // The other holds what came before.
    for (const half of [this.#other, this.#active]) {
      if (!half.isDirty) continue
      half.isDirty = false
      await half.file.sync()
    }
  }

  async close(): Promise<void> {
    await this.#active.file.close()
    await this.#other.file.close()
  }
}

function pathsOf(name: string): readonly [string, string] {
  return [`${FOLDER}/${name}-0`, `${FOLDER}/${name}-1`]
}

/** Deletes the files of a journal, whose volume is not here any more. */
export async function removeJournal({ disk, name }: JournalName): Promise<void> {
  const names = await disk.list(FOLDER)
  const paths = pathsOf(name).filter((path) => names.some((each) => path === `${FOLDER}/${each}`))
  for (const path of paths) await disk.remove(path)
  if (paths.length > 0) await disk.syncFolder(FOLDER)
}

/**
 * The records behind `after`, one after the other, up to the first that is missing or torn: those
 * that the last run left.
 */
export async function readJournal(
  { disk, name }: JournalName,
  { key, after }: { key: Uint8Array; after: number },
): Promise<readonly JournalItem[]> {
  const found = new Map<number, JournalItem>()
  const names = await disk.list(FOLDER)
  for (const path of pathsOf(name)) {
    if (!names.some((each) => path === `${FOLDER}/${each}`)) continue
    for await (const [number, item] of recordsOf(disk, path, key)) found.set(number, item)
  }
  const items: JournalItem[] = []
  for (let item = found.get(after + 1); item !== undefined;) {
    items.push(item)
    item = found.get(after + 1 + items.length)
  }
  return items
}

/** Records of a file from its start; what is left of older ones ends them. */
async function* recordsOf(
  disk: Disk,
  path: string,
  key: Uint8Array,
): AsyncGenerator<readonly [number: number, item: JournalItem]> {
  const file = await disk.open(path, 'read')
  try {
    const size = await file.size()
    for (let at = 0; at + JOURNAL_HEAD_BYTES <= size;) {
      const bytes = await file.read(at, JOURNAL_HEAD_BYTES)
      const head = decodeJournalHead(bytes)
      if (head === undefined || at + JOURNAL_HEAD_BYTES + head.length > size) return
      const sealed = await file.read(at + JOURNAL_HEAD_BYTES, head.length)
      const item = openItem(key, bytes, sealed)
      if (item === undefined) return
      yield [head.number, item]
      at += JOURNAL_HEAD_BYTES + head.length
    }
  } finally {
    await file.close()
  }
}
