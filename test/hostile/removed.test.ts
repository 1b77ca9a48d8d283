// A removed member that kept its keys: it reads nothing new and reaches no handler, also where it
// is still a member of another volume; one in good faith is told.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { StripeId, VolumeId } from '../../protocol/ids.ts'
import {
  CHECKPOINT_PROTOCOL,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../protocol/wire/checkpoint.ts'
import { LOCK_PROTOCOL } from '../../protocol/wire/lock.ts'
import { LOG_PROTOCOL, decodeLogMessage, encodeLogMessage } from '../../protocol/wire/log.ts'
import { SHARD_PROTOCOL, decodeShardReply, encodeShardRequest } from '../../protocol/wire/shard.ts'
import type { ShardRequest } from '../../protocol/wire/shard.ts'
import { STRONG_PROTOCOL } from '../../protocol/wire/strong.ts'
import { summaryOf } from '../../node/log/log-summary.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { writeRandomFile } from '../cluster/trees.ts'
import { HostileMember } from './hostile-member.ts'
import { LIBP2P_PROTOCOLS, RawPeer, pause } from './raw-peer.ts'

const PROTOCOLS = [
  LOG_PROTOCOL,
  CHECKPOINT_PROTOCOL,
  SHARD_PROTOCOL,
  STRONG_PROTOCOL,
  LOCK_PROTOCOL,
  ...LIBP2P_PROTOCOLS,
]

/** Gossip that a peer hears of whatever topics it is told of. */
function listenIn(peer: RawPeer): {
  readonly heard: string[]
  readonly topics: ReadonlySet<string>
} {
  const heard: string[] = []
  const topics = new Set<string>()
  peer.gossip.addEventListener('message', ({ detail }) => void heard.push(detail.topic))
  peer.gossip.addEventListener('subscription-change', ({ detail }) => {
    for (const { topic } of detail.subscriptions) {
      topics.add(topic)
      peer.gossip.subscribe(topic)
    }
  })
  return { heard, topics }
}

/** The volume `main` is of three nodes, `side` of the first two. */
let cluster: TestCluster
let inTwo: InTwo | undefined

before(async () => {
  cluster = await TestCluster.start(3)
})
after(async () => {
  await inTwo?.mallory[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

test('a removed member that keeps its keys and goes on asking reaches no handler and hears nothing', async () => {
  const [admin, ben] = cluster.nodes as [TestNode, TestNode]
  await using mallory = await HostileMember.join(admin)
  await admin.shoal('mkdir', '/before')
  await cluster.converged()
  const { seed } = mallory.identity
  await using before = await RawPeer.start({ seed })
  const member = listenIn(before)
  await before.dial(admin)
  await eventually('as a member it hears gossip', async () => member.heard.length > 0)
  await before[Symbol.asyncDispose]()

  await admin.shoal('peer', 'rm', 'mallory', '--now')
  await eventually('ben knows', async () => !(await ben.status()).peers.some(isMallory))
  await using after = await RawPeer.start({ seed })
  const removed = listenIn(after)
  for (const topic of member.topics) after.gossip.subscribe(topic)
  const served: string[] = []
  for (let round = 0; round < 2; round++) {
    await ben.shoal('mkdir', `/after${round}`)
    for (const victim of [admin, ben]) {
      for (const protocol of PROTOCOLS) {
        const connection = await after.dial(victim).catch(() => undefined)
        if (connection === undefined) continue
        if (await after.isServed(connection, protocol)) served.push(`${victim.name} ${protocol}`)
      }
    }
  }
  assert.deepEqual(served, [])
  assert.deepEqual(removed.heard, [])
  const answers = await mallory.give(admin, []).catch(() => [])
  assert.ok(!answers.some(({ kind }) => kind === 'hello'), 'no logs are exchanged')
  await cluster.converged()
})

function isMallory({ name }: { readonly name: string }): boolean {
  return name === 'mallory'
}

interface InTwo {
  readonly admin: TestNode
  readonly mallory: HostileMember
  readonly main: VolumeId
  readonly side: VolumeId
}

/** Mallory was a member of both volumes of two nodes, and is one of the first only. */
async function removedFromOne(): Promise<InTwo> {
  const [admin, ben] = cluster.nodes as [TestNode, TestNode]
  const node = cluster.node('mallory')
  await node.start({ ticket: await admin.invite() })
  await admin.shoal('volume', 'create', 'side')
  for (const other of [ben, node]) await other.shoal('join', await admin.invite('--volume', 'side'))
  const file = `${cluster.folder}/file`
  await writeRandomFile(file, 3)
  await admin.shoal('put', '--ack', 'placed', file, 'side:/file')
  await admin.shoal('mkdir', '/in-main')
  const sides = async (): Promise<readonly string[]> =>
    Promise.all(
      [admin, ben, node].map(async (one) =>
        (await one.status()).volumes
          .map(({ id, heads }) => `${id} ${heads.join()}`)
          .sort()
          .join(),
      ),
    )
  await eventually('all have all', async () => new Set(await sides()).size === 1)
  const mallory = await HostileMember.of(node)
  await admin.shoal('peer', 'rm', 'mallory', '--now', '--volume', 'side')
  await eventually('ben knows', async () =>
    (await ben.status()).peers.some(
      (peer) => isMallory(peer) && peer.volumes.every(({ name }) => name === 'main'),
    ),
  )
  const side = mallory.volumes.find('side').volume.id
  return { admin, mallory, main: mallory.volume.id, side }
}

test('a member of one volume hears nothing of another, of topics told or known', async () => {
  inTwo = await removedFromOne()
  const { admin, mallory, main } = inTwo
  await using peer = await RawPeer.start({ seed: mallory.identity.seed })
  const { heard } = listenIn(peer)
  for (const topic of mallory.topics()) peer.gossip.subscribe(topic)
  await peer.dial(admin)
  const ofMain = new Set(mallory.topics(main))
  const isOther = (topic: string): boolean => !ofMain.has(topic)
  for (let round = 0; round < 4; round++) {
    await admin.shoal('mkdir', `side:/folder${round}`)
    await admin.shoal('mkdir', `/folder${round}`)
    await pause(500)
  }
  await eventually('of its own volume it hears', async () => heard.some((topic) => !isOther(topic)))
  assert.deepEqual(heard.filter(isOther), [])
})

test('and gets nothing of it, whatever it asks for', async () => {
  const { admin, mallory, main, side } = inTwo ?? assert.fail('it was removed above')
  const { volume } = mallory.volumes.find('side')
  const stripe = await firstStripe(mallory)
  const signal = mallory.deadline()

  const log = await mallory.open(admin, LOG_PROTOCOL)
  await log.send([encodeLogMessage({ kind: 'hello', volume: side, log: summaryOf(volume) })], {
    signal,
  })
  const hello = decodeLogMessage((await log.receive({ signal })) ?? new Uint8Array())
  assert.equal(hello.kind, 'error')

  const checkpoint = await mallory.open(admin, CHECKPOINT_PROTOCOL)
  await checkpoint.send([encodeCheckpointMessage({ kind: 'get', volume: side, governed: [] })], {
    signal,
  })
  const tree = decodeCheckpointMessage((await checkpoint.receive({ signal })) ?? new Uint8Array())
  assert.equal(tree.kind, 'error')

  const ask = async (request: ShardRequest): Promise<string> => {
    const channel = await mallory.open(admin, SHARD_PROTOCOL)
    await channel.send([encodeShardRequest(request)], { signal })
    const reply = decodeShardReply((await channel.receive({ signal })) ?? new Uint8Array())
    channel.abort(new Error('seen'))
    if (reply.kind === 'error') return reply.code
    return reply.length > 0 || reply.indices.length > 0 ? 'given' : 'nothing'
  }
  const chunk = volume.stripes.get(stripe)?.header.chunks[0]?.id
  assert.ok(chunk !== undefined)
  const range = { offset: 0, length: 100 }
  for (const index of [0, 1])
    for (const proof of [false, true])
      for (const named of [side, main]) {
        const got = await ask({ kind: 'get', volume: named, stripe, index, ...range, proof })
        assert.ok(['ENOENT', 'not-a-member'].includes(got), `get, proof ${proof}: ${got}`)
      }
  for (const named of [side, main]) {
    const held = await ask({ kind: 'have', volume: named, stripe })
    assert.ok(['nothing', 'ENOENT', 'not-a-member'].includes(held), `have: ${held}`)
    const got = await ask({ kind: 'chunk', volume: named, chunk })
    assert.ok(['ENOENT', 'not-a-member'].includes(got), `chunk: ${got}`)
  }
  await cluster.converged()
})

async function firstStripe(mallory: HostileMember): Promise<StripeId> {
  const { stripes } = mallory.volumes.find('side').volume
  for await (const id of stripes.all()) return id
  assert.fail('the volume has a stripe')
}

test('a removed member in good faith is told that it is none', async () => {
  const [admin, , last] = cluster.nodes as [TestNode, TestNode, TestNode]
  await last.kill('SIGTERM')
  await admin.shoal('peer', 'rm', 'n3', '--now')
  await last.start()
  await eventually('it says so', async () =>
    (await last.status()).notices.some(({ kind }) => kind === 'removed'),
  )
  assert.match(await last.shoal('status'), /no longer a member of "main"/)
})
