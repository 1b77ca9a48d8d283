// Members that lie about stripes and shards. A writer that knows what somebody is about to write,
// or what was written, places garbage with honest holders as a stripe that lists those chunks,
// under a header of which every hash is right. A keeper says of every shard that nobody holds it,
// and tells the holders to forget them. A writer condemns every stripe and sweeps it in the same
// breath. A keeper hands over shard after shard, of stripes that it never logs.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { sealChunk } from '../../protocol/chunk/seal.ts'
import { hasCode } from '../../protocol/errors.ts'
import {
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  chunkIdFromCid,
  encodeCid,
  hexIdBytes,
  stripeIdBytes,
} from '../../protocol/ids.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { Holding, Op } from '../../protocol/op/op.ts'
import type { Role } from '../../protocol/roles.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import type { CodedStripe } from '../../protocol/stripe/stripe.ts'
import { MIB } from '../../protocol/units.ts'
import { SHARD_PROTOCOL } from '../../protocol/wire/shard.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'
import type { GarbageReport } from '../../node/control/garbage.ts'
import { confirming } from './beacon.ts'
import { HostileMember } from './hostile-member.ts'
import { TestVolume } from './test-volume.ts'

/** One chunk, whatever the keys: larger than what travels in the log, smaller than what is cut. */
const FILE_BYTES = 12_000
const SHARD_BYTES: number = 4 * MIB
/** The bound for a disk of a GB. */
const SHARDS_MAX = 100

describe('stripes that three nodes hold', () => {
  let cluster: TestCluster
  let victims: readonly [TestNode, TestNode, TestNode]
  let swept: { readonly volume: TestVolume; readonly count: number }
  /** Files that the first wrote: the volume, its path there, and the same on the disk. */
  const written: (readonly [TestVolume, string, string])[] = []

  before(async () => {
    cluster = await TestCluster.start(3, { capacity: '1GB' })
    victims = cluster.nodes.slice() as [TestNode, TestNode, TestNode]
  })
  after(() => cluster[Symbol.asyncDispose]())

  const fresh = async (name: string): Promise<TestVolume> => {
    const volume = await TestVolume.make(victims, name)
    await volume.set({ class: 'rs2+1' })
    await volume.converged()
    return volume
  }
  /** One that joins after all was placed, and so holds nothing of it. */
  const joined = async (volume: TestVolume, role: Role): Promise<HostileMember> => {
    const mallory = await HostileMember.join(volume.admin, { role, volume: volume.name })
    await volume.converged()
    return mallory
  }
  const assertReadable = async (
    volume: TestVolume,
    path: string,
    source: string,
    readers: readonly TestNode[],
  ): Promise<void> => {
    for (const reader of readers) {
      const got = join(await mkdtemp(join(reader.folder, 'got-')), 'file')
      const get = ['get', volume.at(path), got]
      await eventually(
        `${reader.name} reads ${path}`,
        async () => (await reader.run(...get)).code === 0,
      )
      assert.equal(await digestFile(got), await digestFile(source))
    }
  }

  test('a writer that sweeps what lives takes nothing away', async () => {
    const [first, , third] = victims
    const volume = await fresh('swept')
    const file = join(cluster.folder, 'swept')
    await writeRandomFile(file, 3)
    await first.shoal('put', '--ack', 'placed', file, volume.at('/file'))
    await using mallory = await joined(volume, 'writer')
    const stripes = await stripesOf(mallory)
    assert(stripes.length > 0, 'there is something to sweep')
    swept = { volume, count: stripes.length }
    const { header } = await mallory.write(victims, [{ kind: 'condemn', stripes }])
    await mallory.write(victims, [{ kind: 'sweep', condemned: header.hlc, stripes }])
    await volume.converged()

    await assertReadable(volume, '/file', file, [third])
    written.push([volume, '/file', file])
  })

  test('a stripe without what it lists takes the place of nothing, and hides nothing', async () => {
    const [first, second, third] = victims
    const volume = await fresh('false-stripe')
    const [isNew, known] = [join(cluster.folder, 'new'), join(cluster.folder, 'known')]
    const [newBytes, knownBytes] = [randomBytes(FILE_BYTES), randomBytes(FILE_BYTES)]
    await writeFile(isNew, newBytes)
    await writeFile(known, knownBytes)
    await first.shoal('put', '--ack', 'placed', known, volume.at('/known'))
    await using mallory = await joined(volume, 'writer')
    const keys = mallory.map.keys()

    /** Place garbage as the chunk of this content, and say so. */
    const lieOf = async (
      plain: Uint8Array,
      isGood: (stripe: CodedStripe) => boolean,
    ): Promise<void> => {
      const { ref, bytes } = sealChunk(keys, plain)
      const lie = garbageStripe(ref.id, bytes.length, isGood)
      const holders: Holding[] = []
      for (const [index, victim] of [second, third].entries()) {
        const peer = await mallory.dial(victim)
        const shard = lie.shards[index] ?? new Uint8Array(0)
        const put = { header: lie.headerBytes, index, shard }
        const receipt = await mallory.shards.put(peer, put, { signal: mallory.deadline() })
        holders.push({ index, peer, receipt })
      }
      await mallory.write(victims, [{ kind: 'stripe', header: lie.headerBytes, holders }])
      await volume.converged()
    }

    await lieOf(newBytes, () => true)
    const [genuine] = mallory.map.locations(sealChunk(keys, knownBytes).ref.id)
    assert(genuine !== undefined, 'what was put is in a stripe')
    await lieOf(knownBytes, ({ id }) => id < genuine.stripe)

    await first.shoal('put', '--ack', 'placed', isNew, volume.at('/new'))
    written.push([volume, '/new', isNew], [volume, '/known', known])
    // It goes once all members have word that it is given up, the liar, too.
    const collecting = third.json<GarbageReport>('gc', '--volume', volume.name)
    const [report] = (await confirming(mallory, third, collecting)).volumes
    assert.deepEqual([report?.waiting, (report?.swept ?? 0) > 0], [0, true], 'lies are given up')
  })

  test('a keeper that says that nobody holds anything takes no shard from anybody', async () => {
    const [first] = victims
    const volume = await fresh('denied')
    const file = join(cluster.folder, 'denied')
    await writeRandomFile(file, 3)
    await first.shoal('put', '--ack', 'placed', file, volume.at('/file'))
    await using mallory = await joined(volume, 'keeper')
    const ids = await stripesOf(mallory)
    assert(ids.length > 0, 'the keeper knows the stripes')
    const denials = ids.map((stripe): Op => {
      const holders = mallory.map.stripe(stripe)?.holders ?? []
      const changes = holders.flatMap((peers, index) =>
        peers.map((peer) => ({ index, peer, isHeld: false })),
      )
      assert.equal(changes.length, 3, 'all shards are denied')
      return { kind: 'shards', stripe, changes }
    })
    await mallory.write(victims, denials)
    await volume.converged()
    const vol = hexIdBytes(mallory.volume.id)
    for (const victim of victims)
      for (const stripe of ids)
        for (const index of [0, 1, 2]) {
          const drop = { v: 1, op: 'drop', vol, stripe: stripeIdBytes(stripe), index }
          const answer = await mallory.ask(victim, SHARD_PROTOCOL, encodeCbor(drop))
          const { ok } = decodeCbor(answer, 'answer') as { ok: boolean }
          assert.equal(ok, false, 'nothing is dropped')
        }
    for (const victim of victims) {
      const { stripes } = await volume.statusAt(victim)
      assert.deepEqual([stripes.full > 0, stripes.degraded, stripes.lost], [true, 0, 0])
    }
    written.push([volume, '/file', file])
  })

  test('shards that no stripe names are taken within bounds only', async () => {
    const [, victim] = victims
    const { name } = await TestVolume.make([victim], 'unlogged')
    await using mallory = await HostileMember.join(victim, { role: 'keeper', volume: name })
    const peer = await mallory.dial(victim)
    let taken = 0
    let refusal: unknown
    while (refusal === undefined && taken < SHARDS_MAX) {
      const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, randomBytes(32)))
      const chunk = { id, bytes: randomBytes(SHARD_BYTES) }
      const { headerBytes: header, shards } = codeStripe([chunk], 1, 0)
      const shard = shards[0] ?? assert.fail()
      try {
        await mallory.shards.put(peer, { header, index: 0, shard }, { signal: mallory.deadline() })
        taken++
      } catch (error) {
        refusal = error
      }
    }
    assert(
      hasCode(refusal, 'EBUSY') || hasCode(refusal, 'ENOSPC'),
      `${taken} taken: ${String(refusal)}`,
    )
    assert.match(String(refusal), /no stripe/)
    assert((await victim.status()).node.usedBytes < 200 * MIB, 'most of the disk is free')
  })

  test('what was swept is in use again, and all is read without the one who wrote it', async () => {
    const [first, second, third] = victims
    assert.equal(written.length, 4, 'all attacks were made')
    await eventually('what was swept is whole', async () => {
      const { stripes: counts } = await swept.volume.statusAt(second)
      return counts.full >= swept.count && counts.degraded + counts.lost === 0
    })
    for (const volume of new Set(written.map(([of]) => of))) await volume.converged()
    await first.kill('SIGKILL')
    for (const [volume, path, source] of written)
      await assertReadable(volume, path, source, [second, third])
  })
})

async function stripesOf(mallory: HostileMember): Promise<readonly StripeId[]> {
  const ids = []
  for await (const id of mallory.map.stripes()) ids.push(id)
  return ids
}

/** Copies of garbage that say they are this chunk. */
function garbageStripe(
  id: ChunkId,
  length: number,
  isGood: (stripe: CodedStripe) => boolean,
): CodedStripe {
  for (;;) {
    const stripe = codeStripe([{ id, bytes: randomBytes(length) }], 1, 1)
    if (isGood(stripe)) return stripe
  }
}
