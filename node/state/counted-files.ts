// The number of files that a state shows, and of their bytes, counted as ops are applied: a record
// of the state in use, in no checkpoint. A state without it, such as one that was copied from a
// checkpoint, is counted once.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { NO_FILES, addFile } from '../../protocol/tree/file-totals.ts'
import type { FileTotals } from '../../protocol/tree/file-totals.ts'
import { RecordReader, RecordWriter } from '../../protocol/tree/record-codec.ts'
import { INODE_PREFIX, inodeOfKey, readInode } from '../../protocol/tree/records.ts'
import { viewPages } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

const KEY: ByteString = STATE_PREFIXES.fileTotals
const FIELDS = 2

const writer = new RecordWriter()

export class CountedFiles {
  readonly #view: ReplicaView

  private constructor(view: ReplicaView) {
    this.#view = view
  }

  /** cost: O(inodes) where there is no count yet. */
  static async open(view: ReplicaView): Promise<CountedFiles> {
    if (view.get(KEY) === undefined) write(view, await countAll(view))
    return new CountedFiles(view)
  }

  get totals(): Readonly<FileTotals> {
    const bytes = this.#view.get(KEY)
    if (bytes === undefined) return NO_FILES
    const r = new RecordReader(bytes, FIELDS)
    return { files: r.integer(), bytes: BigInt(r.byteString()) }
  }

  add({ files, bytes }: Readonly<FileTotals>): void {
    if (files === 0 && bytes === 0n) return
    const { totals } = this
    write(this.#view, { files: totals.files + files, bytes: totals.bytes + bytes })
  }
}

/** Counts what shows. cost: O(inodes). */
export async function countAll(view: ReplicaView): Promise<FileTotals> {
  const totals = { ...NO_FILES }
  for await (const [key] of viewPages(view, INODE_PREFIX)) {
    const inode = readInode(view, inodeOfKey(key))
    if (inode !== undefined) addFile(totals, inode, 1)
  }
  return totals
}

function write(view: ReplicaView, { files, bytes }: FileTotals): void {
  const w = writer.begin(FIELDS)
  w.integer(files)
  w.byteString(String(bytes) as ByteString) // of any size
  view.put(KEY, w.finish())
}
