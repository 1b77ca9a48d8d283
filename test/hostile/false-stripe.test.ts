// Stripes that list chunks which they do not hold: a writer that knows what somebody is about to
// write, or what was written, places garbage with honest holders, under a header of which every
// hash is right.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { sealChunk } from '../../protocol/chunk/seal.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import type { CodedStripe } from '../../protocol/stripe/stripe.ts'
import type { Holding } from '../../protocol/op/op.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { digestFile } from '../cluster/trees.ts'
import { HostileMember } from './hostile-member.ts'

/** One chunk, whatever the keys: larger than what travels in the log, smaller than what is cut. */
const FILE_BYTES = 12_000

test('a stripe that does not hold what it lists neither takes the place of what is written nor hides it', async (t) => {
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const node = cluster.node('mallory')
  await node.start({ ticket: await first.invite() })
  await first.shoal('volume', 'set', 'main', 'class=rs2+1')
  const [fresh, known] = [join(cluster.folder, 'fresh'), join(cluster.folder, 'known')]
  const [freshBytes, knownBytes] = [randomBytes(FILE_BYTES), randomBytes(FILE_BYTES)]
  await writeFile(fresh, freshBytes)
  await writeFile(known, knownBytes)
  await node.kill('SIGTERM')
  await first.shoal('put', '--ack', 'placed', known, '/known')
  await node.start()
  await cluster.converged()
  await using mallory = await HostileMember.of(node)
  const victims = [first, second, third]
  const keys = mallory.map.keys()

  /** Place garbage as the chunk of this content, and say so. */
  const lieOf = async (
    plain: Uint8Array,
    isGood: (stripe: CodedStripe) => boolean,
  ): Promise<StripeId> => {
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
    await cluster.converged()
    return lie.id
  }

  await lieOf(freshBytes, () => true)
  const [genuine] = mallory.map.locations(sealChunk(keys, knownBytes).ref.id)
  assert(genuine !== undefined, 'what was put is in a stripe')
  await lieOf(knownBytes, ({ id }) => id < genuine.stripe)

  await t.test('what is put is placed, and a collection gives up nothing that lives', async () => {
    await first.shoal('put', '--ack', 'placed', fresh, '/fresh')
    await third.shoal('gc')
    await cluster.converged()
  })
  await t.test('it is read without the one who wrote it', async () => {
    await first.kill('SIGKILL')
    for (const [path, source] of [
      ['/fresh', fresh],
      ['/known', known],
    ] as const)
      for (const reader of [second, third]) {
        const got = join(cluster.folder, `got-${reader.name}-${path.slice(1)}`)
        await eventually(
          `${reader.name} reads ${path}`,
          async () => (await reader.run('get', path, got)).code === 0,
        )
        assert.equal(await digestFile(got), await digestFile(source))
      }
  })
})

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
