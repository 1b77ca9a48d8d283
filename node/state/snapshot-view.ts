// The records of a snapshot, as they lie under the root of its tree. They never change.
import type { ByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { StoredTree } from './checkpoint-view.ts'
import type { ReplicaView } from './state-view.ts'

export class SnapshotView implements ReplicaView {
  readonly #tree: StoredTree
  readonly root: NodeHash | undefined

  constructor(tree: StoredTree, root: NodeHash | undefined) {
    this.#tree = tree
    this.root = root
  }

  /** throws ShoalError 'chunk-unavailable' once the snapshot was removed. */
  get(key: ByteString): Uint8Array | undefined {
    return this.#tree.get(this.root, key)
  }

  /** throws as get(). */
  async *scan(
    from: ByteString,
    to: ByteString,
  ): AsyncGenerator<readonly [ByteString, Uint8Array], void, undefined> {
    yield* this.#tree.scan(this.root, { from, to })
  }

  put(): never {
    throw readOnly()
  }

  delete(): never {
    throw readOnly()
  }
}

function readOnly(): ShoalError {
  return new ShoalError('EROFS', 'a snapshot never changes')
}
