// The entries that a folder had in an earlier backup, found while the folder is gone through in the
// same order. A bounded number of them is in memory: an entry that is looked for much later than
// its turn is not found, which costs no more than to read its file.
import { LRUCache } from 'lru-cache'
import type { ByteString } from '../../protocol/bytes.ts'
import { collisionKey } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { BackupEntry } from '../../protocol/backup/entry.ts'

const REMEMBERED_MAX = 4096

export class EarlierFolder {
  readonly #entries: AsyncGenerator<BackupEntry, void, undefined>
  readonly #ahead = new LRUCache<ByteString, BackupEntry>({ max: REMEMBERED_MAX })
  #reached: ByteString = ''
  #isOver = false

  constructor(entries: AsyncGenerator<BackupEntry, void, undefined>) {
    this.#entries = entries
  }

  /** key: that of the name in the folder. throws what reading it throws. */
  async find(name: ByteString, key: ByteString): Promise<BackupEntry | undefined> {
    while (!this.#isOver && this.#reached <= key) {
      const next = await this.#entries.next()
      if (next.done === true) {
        this.#isOver = true
        break
      }
      this.#reached = collisionKey(next.value.name as Name)
      this.#ahead.set(next.value.name, next.value)
    }
    const found = this.#ahead.get(name)
    this.#ahead.delete(name)
    return found
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#entries.return()
  }
}
