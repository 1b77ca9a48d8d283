// The changes that Shoal makes in the services of libp2p.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Peer, PeerData, PeerStore } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { lookForClosestSeldom, noteProtocolsOnce } from '../../../node/world/libp2p/internals.ts'

test('a protocol of a peer is noted once; all else that is told of it is kept each time', async () => {
  const told: PeerData[] = []
  const store = {
    merge: async (_id: unknown, data: PeerData) => {
      told.push(data)
      return {} as Peer
    },
  } as unknown as PeerStore
  noteProtocolsOnce(store)
  const [one, other] = await Promise.all(
    [1, 2].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))),
  )
  assert.ok(one !== undefined && other !== undefined)
  for (const id of [one, other, one])
    for (const protocol of ['/a', '/b', '/a']) await store.merge(id, { protocols: [protocol] })
  assert.deepEqual(
    told.map(({ protocols }) => protocols),
    [['/a'], ['/b'], ['/a'], ['/b']],
  )
  for (const data of [{ protocols: ['/a', '/b'] }, { protocols: ['/a'], multiaddrs: [] }, {}])
    for (let n = 0; n < 2; n++) await store.merge(one, data)
  assert.equal(told.length, 4 + 6)
})

test('the DHT looks for the closest peers once a minute, and an unknown one is refused', () => {
  const tagger = { refreshInterval: 5000 }
  const dht = { routingTable: { closestPeerTagger: tagger } }
  lookForClosestSeldom(dht as unknown as KadDHT)
  assert.equal(tagger.refreshInterval, 60_000)
  assert.throws(() => lookForClosestSeldom({} as KadDHT), /a known kad-dht/)
})
