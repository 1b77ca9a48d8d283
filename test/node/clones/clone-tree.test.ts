// Copies of folders whose records somebody made up, as who makes a snapshot may: they end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ByteString } from '../../../protocol/bytes.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import { collisionKey, nameFromText } from '../../../protocol/op/names.ts'
import { childPrefix } from '../../../protocol/tree/children.ts'
import { ROOT, readDir, writeDir } from '../../../protocol/tree/records.ts'
import { originIn } from '../../../node/clones/clone-source.ts'
import { CloneTree } from '../../../node/clones/clone-tree.ts'
import type { ReplicaView } from '../../../node/state/state-view.ts'
import type { Namespace } from '../../../node/tree/namespace.ts'
import { Replica } from '../log/replicas.ts'

/** The records of a volume, but for some. */
class FalseView implements ReplicaView {
  readonly #true: ReplicaView
  readonly #false = new Map<ByteString, Uint8Array>()

  constructor(view: ReplicaView) {
    this.#true = view
  }

  get(key: ByteString): Uint8Array | undefined {
    return this.#false.get(key) ?? this.#true.get(key)
  }

  put(key: ByteString, value: Uint8Array): void {
    this.#false.set(key, value)
  }

  delete(key: ByteString): void {
    this.#false.delete(key)
  }

  async *scan(
    from: ByteString,
    to: ByteString,
  ): AsyncGenerator<readonly [ByteString, Uint8Array], void, undefined> {
    yield* this.#true.scan(from, to)
    for (const entry of this.#false) if (from <= entry[0] && entry[0] < to) yield entry
  }

  /** Also list what has a name in one folder in another. */
  list(name: string, inFolder: NodeId, alsoIn: NodeId): void {
    const key = collisionKey(nameFromText(name))
    this.put(childPrefix(alsoIn) + key, this.get(childPrefix(inFolder) + key) ?? new Uint8Array())
  }
}

async function copied(
  namespace: Namespace,
  view: ReplicaView,
  folder: NodeId,
  to = 'copy',
): Promise<number> {
  const { child, source } = originIn(namespace, view, { kind: 'dir', id: folder })
  const tree = new CloneTree({
    namespace,
    source,
    contents: { bytesRead: () => 0, take: (file) => Promise.reject(new Error(file.inode)) },
    change: async (make) => make(),
    onProgress: ({ folders }) => assert.ok(folders < 10, 'it does not end'),
    signal: new AbortController().signal,
  })
  await tree.run(child, { parent: ROOT, name: nameFromText(to) })
  return tree.made.folders
}

async function someFolders(): Promise<{ namespace: Namespace; outer: NodeId; inner: NodeId }> {
  const { namespace } = await Replica.founder('a')
  const outer = namespace.makeDir(ROOT, nameFromText('outer'), {})
  const inner = namespace.makeDir(outer, nameFromText('inner'), {})
  return { namespace, outer, inner }
}

test('a folder is copied with those in it', async () => {
  const { namespace, outer } = await someFolders()
  assert.equal(await copied(namespace, new FalseView(namespace.volume.view), outer), 2)
})

test('a folder that is said to be in itself is no tree', async () => {
  const { namespace, outer, inner } = await someFolders()
  const view = new FalseView(namespace.volume.view)
  view.list('outer', ROOT, inner)
  await assert.rejects(copied(namespace, view, outer), { code: 'corrupt' })
  const dir = readDir(view, outer)
  assert.ok(dir !== undefined)
  writeDir(view, outer, { ...dir, parent: inner })
  await assert.rejects(copied(namespace, view, outer, 'again'), { code: 'corrupt' })
})
