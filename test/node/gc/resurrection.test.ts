// Two members of a volume: what one condemns while the other has it open.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { InFlightReferences } from '../../../node/content/in-flight-references.ts'
import { VolumeStripeMap } from '../../../node/volume/volume-stripe-map.ts'
import { OpenContent } from '../../../node/gc/open-content.ts'
import { Resurrection } from '../../../node/gc/resurrection.ts'
import { encodeManifestNode, extentLength } from '../../../protocol/chunk/manifest.ts'
import { sealChunk } from '../../../protocol/chunk/seal.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import { KIB } from '../../../protocol/units.ts'
import { Replica, exchange, send } from '../log/replicas.ts'
import type { ChunkFetcher } from '../../../node/stripes/chunk-fetcher.ts'
import type { Store } from '../../../node/store/store.ts'
import type { Extent, Manifest } from '../../../protocol/chunk/manifest.ts'
import type { ChunkKeys, ChunkRef, SealedChunk } from '../../../protocol/chunk/seal.ts'
import type { ChunkId, NodeId } from '../../../protocol/ids.ts'
import type { Role } from '../../../protocol/roles.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'

interface Scene {
  readonly anna: Replica
  readonly ben: Replica
  /** Ben's. */
  readonly inFlight: InFlightReferences
  readonly resurrection: Resurrection
  readonly fetched: ChunkId[]
  /** A file that both know, of one chunk, both in one stripe. */
  readonly inode: NodeId
  readonly manifest: Manifest
  /** A content that shares nothing with it. */
  readonly hollow: Manifest
  readonly data: ChunkRef
  readonly stripe: CodedStripe
  /** Anna condemns it, and Ben hears of that. */
  readonly condemn: () => Promise<void>
  readonly isCondemned: () => boolean | undefined
}

describe('objections to condemned stripes', () => {
  test('a stripe that is not needed here stays condemned', async () => {
    const { condemn, isCondemned, inFlight } = await scene()
    inFlight.begin().end()
    await condemn()
    assert.equal(isCondemned(), true)
  })

  test('a stripe touched by an open write is in use again before it is acknowledged', async () => {
    const { anna, ben, inFlight, data, condemn, isCondemned, stripe } = await scene()
    inFlight.begin()
    inFlight.add(data.id)
    await condemn()
    assert.equal(isCondemned(), false)
    await send(ben, anna)
    assert.equal(new VolumeStripeMap(anna.volume).stripe(stripe.id)?.isCondemned, false)
  })

  test('a stripe that may be needed by an open unlinked file is in use again', async () => {
    const { anna, ben, inFlight, inode, condemn, isCondemned, resurrection, data } = await scene()
    inFlight.hold({ inode, manifest: undefined })
    await condemn()
    assert.equal(isCondemned(), true, 'the file has its name: who condemned that will see it')
    anna.namespace.unlink(ROOT, nameFromText('f'))
    await exchange(anna, ben)
    await condemn()
    assert.equal(isCondemned(), false)
    assert.equal(resurrection.needs()(data.id), true)
  })

  test('a stripe of a replaced version that is being edited is in use again', async () => {
    const { anna, ben, inFlight, inode, manifest, condemn, isCondemned } = await scene()
    const edit = inFlight.hold({ inode, manifest })
    anna.rewrite(anna.at('f'), 'something else')
    await exchange(anna, ben)
    await condemn()
    assert.equal(isCondemned(), false)
    edit.end()
    await condemn()
    assert.equal(isCondemned(), true)
  })

  test('an open file that needs nothing of a stripe delays it once', async () => {
    const { inFlight, condemn, isCondemned, resurrection, ben, hollow, data } = await scene()
    const other = ben.write('other', 'inline')
    inFlight.hold({ inode: other.id, manifest: hollow })
    await condemn()
    assert.equal(isCondemned(), false, 'nobody knows yet what it reaches')
    await until(() => !resurrection.needs()(data.id))
    await condemn()
    assert.equal(isCondemned(), true)
  })

  test('a reader, who may not log an objection, fetches the chunks that are needed', async () => {
    const { inFlight, data, condemn, isCondemned, fetched } = await scene('reader')
    inFlight.begin()
    inFlight.add(data.id)
    await condemn()
    await until(() => fetched.length > 0)
    assert.equal(isCondemned(), true)
    assert.deepEqual(fetched, [data.id])
  })
})

async function scene(role: Role = 'writer'): Promise<Scene> {
  const anna = await Replica.founder('anna')
  const ben = await anna.member('ben', role)
  const map = new VolumeStripeMap(ben.volume)
  const sealed = sealChunk(map.keys(), Buffer.alloc(5 * KIB, 7))
  const file = contentOf(map.keys(), { kind: 'chunk', ref: sealed.ref })
  const hollow = contentOf(map.keys(), { kind: 'hole', length: 3 * KIB })
  const { manifest } = file
  const chunks = [sealed, file.node].map(({ ref, bytes }) => ({ id: ref.id, bytes }))
  const stripe = codeStripe(chunks, 1, 1)
  const { id: inode } = anna.write('f', 'before')
  anna.namespace.putVersion(inode, {
    content: { kind: 'chunks', root: manifest.root, depth: manifest.depth },
    size: manifest.size,
    base: anna.namespace.fileVersion(anna.at('f')).base,
    modifiedNs: 0n,
  })
  const hers = new VolumeStripeMap(anna.volume)
  await hers.recordStripe(stripe.headerBytes, [{ index: 0, peer: anna.identity.peer }])
  await exchange(anna, ben)
  const inFlight = new InFlightReferences()
  const fetched: ChunkId[] = []
  const plain = new Map([file, hollow].map(({ node, bytes }) => [node.ref.id, bytes]))
  const readOnce = async ({ id }: ChunkRef): Promise<Uint8Array> => plain.get(id) ?? Buffer.alloc(0)
  const reader = { readOnce, read: readOnce, isNear: () => true }
  const held = new OpenContent({ inFlight, view: ben.volume.view, reader: () => reader })
  const store = { chunks: { has: () => false, put: async (id: ChunkId) => void fetched.push(id) } }
  const resurrection = new Resurrection({
    map,
    store: store as unknown as Store,
    fetcher: { fetch: async () => Buffer.alloc(0) } satisfies Pick<ChunkFetcher, 'fetch'>,
    dedupCheck: { isKnown: () => false },
    inFlight,
    held,
    mayWrite: () => role === 'writer',
    log: (message, fields) => assert.fail(`${message} ${JSON.stringify(fields)}`),
  })
  resurrection.start()
  return {
    anna,
    ben,
    inFlight,
    resurrection,
    fetched,
    inode,
    manifest,
    hollow: hollow.manifest,
    data: sealed.ref,
    stripe,
    condemn: async () => {
      await send(ben, anna)
      const { headerBytes } = hers.stripe(stripe.id) ?? assert.fail('it is swept')
      await hers.recordStripe(headerBytes, [{ index: 0, peer: anna.identity.peer }])
      await hers.condemn([stripe.id])
      await send(anna, ben)
      await ben.volume.commit()
    },
    isCondemned: () => map.stripe(stripe.id)?.isCondemned,
  }
}

/** A content of one extent, with its manifest's only node. */
function contentOf(
  keys: ChunkKeys,
  extent: Extent,
): { manifest: Manifest; node: SealedChunk; bytes: Uint8Array } {
  const bytes = encodeManifestNode({ level: 0, extents: [extent] })
  const node = sealChunk(keys, bytes)
  return { manifest: { size: extentLength(extent), root: node.ref, depth: 0 }, node, bytes }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns++) {
    assert.ok(turns < 10_000, 'it comes to that')
    await setImmediate()
  }
}
