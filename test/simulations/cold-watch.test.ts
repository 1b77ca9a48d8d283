// The watch on a cold tier, told of a log that is made for it: when an object may go.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uploadPack } from '../../node/cold/pack-upload.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { packKey } from '../../protocol/cold/pack.ts'
import { SWEPT_KEPT_MS } from '../../protocol/limits.ts'
import { encodeBatch } from '../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY, actorIdOf, encodeEntry, signEntry } from '../../protocol/log/entry.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import { Cluster } from '../../simulations/cluster.ts'
import { ColdWatch } from '../../simulations/cold/watch.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { hlcOf } from '../node/cold/cold-map.ts'
import { MemoryTier } from '../node/cold/memory-tier.ts'
import { VOLUME, stripesOf } from '../node/cold/packed.ts'
import { ManualClock } from '../node/stripes/manual-clock.ts'
import type { CheckError } from '../../simulations/check-error.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { EntryHash, PackId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'

const TIER = 'attic'
/** As isEntryKey() has it. */
const ENTRY_KEY = `n--e${'k'.repeat(22)}`
const IDENTITY = identityFromSeed(new Uint8Array(32).fill(7))
const ORIGIN = { publicKey: IDENTITY.publicKey, nonce: new Uint8Array(16) }
const ACTOR = actorIdOf(VOLUME, ORIGIN)
const SWEPT_MS = 3 * HOUR_MS

interface Watched {
  readonly wrong: readonly CheckError[]
  readonly say: (atMs: number, op: Op) => void
  readonly remove: () => void
  readonly put: readonly [record: Op, cold: Op]
  readonly stripe: Extract<Op, { kind: 'condemn' }>['stripes']
}

/** A watch, and a stripe that lies in the tier as soon as that is said. */
async function watched(): Promise<Watched> {
  const cluster = new Cluster(new Scheduler('watch'), { nodeCount: 1 })
  const wrong: CheckError[] = []
  const watch = new ColdWatch(cluster, (error) => void wrong.push(error))
  watch.start(VOLUME, [])
  const [stripe, pack, content] = await packed()
  const key = packKey(VOLUME, pack.id)
  cluster.tier.set(key, { content, modifiedMs: 0 as WallTime, storageClass: '' })
  let seq = 0
  return {
    wrong,
    say: (atMs, op) => {
      const value = entryOf(++seq, atMs, op)
      watch.written('n0', [{ kind: 'put', key: ENTRY_KEY, value }], false)
    },
    remove: () => cluster.tier.remove(key),
    put: [
      { kind: 'stripe', header: stripe.headerBytes, holders: [] },
      { kind: 'cold', tier: TIER, pack: pack.id, stripes: pack.places },
    ],
    stripe: [stripe.id],
  }
}

async function packed(): Promise<
  [
    ReturnType<typeof stripesOf>['stripes'][number],
    Awaited<ReturnType<typeof uploadPack>>,
    Uint8Array,
  ]
> {
  const { stripes, chunks } = stripesOf([[300, 20]])
  const [stripe] = stripes
  assert.ok(stripe !== undefined)
  const tier = new MemoryTier()
  const fetch = async (chunk: Parameters<typeof chunks.get>[0]): Promise<Uint8Array> =>
    chunks.get(chunk) ?? new Uint8Array()
  const parts = { volume: VOLUME, tier, tierName: TIER, clock: new ManualClock(), fetch }
  const pack = await uploadPack(parts, stripes, new AbortController().signal)
  return [stripe, pack, tier.objects.get(packKey(VOLUME, pack.id)) ?? new Uint8Array()]
}

/** A record of a store: the hash, and the entry. */
function entryOf(seq: number, atMs: number, op: Op): Uint8Array {
  const fields = {
    volume: VOLUME,
    actor: ACTOR,
    seq,
    prev: seq === 1 ? undefined : ('cd'.repeat(32) as EntryHash),
    deps: [],
    hlc: hlcOf(atMs),
    grant: VOLUME as string as EntryHash,
    epoch: 0,
    flags: FLAG_CLEAR_BODY,
    origin: seq === 1 ? ORIGIN : undefined,
  }
  const entry = signEntry(IDENTITY, fields, encodeBatch([op]))
  return Uint8Array.from([...fromHex(entry.hash), ...encodeEntry(entry)])
}

/** Sweep the stripe, and remove its object when the log has come so far. */
async function sweptAndRemoved(afterMs: number): Promise<readonly CheckError[]> {
  const { wrong, say, remove, put, stripe } = await watched()
  const [record, cold] = put
  say(0, record)
  say(HOUR_MS, cold)
  say(2 * HOUR_MS, { kind: 'condemn', stripes: stripe })
  say(SWEPT_MS, { kind: 'sweep', condemned: hlcOf(2 * HOUR_MS), stripes: stripe })
  say(SWEPT_MS + afterMs, { kind: 'condemn', stripes: [] })
  remove()
  return wrong
}

test('the object of a stripe in use stays', async () => {
  const { wrong, say, remove, put } = await watched()
  for (const op of put) say(0, op)
  assert.equal(wrong.length, 0)
  remove()
  assert.equal(wrong[0]?.invariant, 'a tier holds what the map says')
})

test('the object of a swept stripe stays while somebody may say that it is in use', async () => {
  const wrong = await sweptAndRemoved(SWEPT_KEPT_MS - 1)
  assert.equal(wrong[0]?.invariant, 'a tier holds what the map says')
})

test('once nobody may know of a swept stripe any more its object may go', async () => {
  assert.deepEqual(await sweptAndRemoved(SWEPT_KEPT_MS), [])
})

test('an object that is said to hold a stripe, and does not, is noticed at once', async () => {
  const { wrong, say, put } = await watched()
  const [record, cold] = put
  say(0, record)
  say(1, { ...cold, pack: 'ee'.repeat(16) as PackId } as Op)
  assert.equal(wrong[0]?.invariant, 'a tier holds what the map says')
})
