// The handling of gossip: news goes on once, garbage is blamed on the peer that delivers it, and
// never on an honest member that could not know.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Neighbours } from '../../../node/sync/neighbours.ts'
import { GossipReceiver } from '../../../node/sync/gossip-receiver.ts'
import { Inbox } from '../../../node/log/inbox.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { sealOnce } from '../../../protocol/cipher.ts'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { deriveKey } from '../../../protocol/hash.ts'
import { headOf, neighbourDigest, sealGossip } from '../../../protocol/wire/gossip.ts'
import { Replica, exchange, forge, send } from '../log/replicas.ts'
import { networkOf } from '../log/wires.ts'
import type { Verdict } from '../../../node/world/world.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { GossipMessage } from '../../../protocol/wire/gossip.ts'

interface Ear {
  readonly receiver: GossipReceiver
  readonly missingAt: PeerId[]
  hear(bytes: Uint8Array, from?: Replica): Verdict
}

/** connected: to whom it is. */
function earOf(replica: Replica, usualFrom: Replica, connected: readonly Replica[] = []): Ear {
  const { volume, clock, identity } = replica
  const missingAt: PeerId[] = []
  const peers = (): PeerId[] => connected.map((peer) => peer.identity.peer)
  const network = networkOf(identity.peer, { peers })
  const receiver = new GossipReceiver({
    world: { clock, network },
    volume,
    inbox: new Inbox({ volume, clock }),
    onMissing: (from) => missingAt.push(from),
    onBeacon: () => undefined,
    onTime: () => undefined,
    saysTheSame: () => false,
    neighbours: new Neighbours({ network, volume }),
  })
  const hear = (bytes: Uint8Array, from = usualFrom): Verdict =>
    receiver.hear(bytes, from.identity.peer)
  return { receiver, missingAt, hear }
}

let salts = 0
function salt(): Uint8Array {
  return new Uint8Array(Buffer.from(String(salts++).padStart(32, '0')))
}

function keyOf({ volume }: Replica): { readonly epoch: number; readonly swarmKey: Uint8Array } {
  const { epoch } = volume.membership
  const [swarmKey = new Uint8Array(32)] = volume.membership.swarmKeys(epoch)
  return { epoch, swarmKey }
}

function sealed(by: Replica, message: GossipMessage): Uint8Array {
  const { volume, identity } = by
  return sealGossip(message, { identity, volume: volume.id, ...keyOf(by) }, salt())
}

/** Anything, as who has the key can seal it. */
function sealedPlain(by: Replica, plain: Uint8Array, { epoch, swarmKey } = keyOf(by)): Uint8Array {
  const fresh = salt()
  const key = deriveKey('shoal 2026 gossip v1', Buffer.concat([swarmKey, fresh]))
  return encodeCbor([epoch, fresh, sealOnce(key, plain, fresh)])
}

/** The newest entry of a replica. */
async function newest(of: Replica): Promise<Entry> {
  await of.volume.commit()
  const { volume } = of
  const entry = volume.entries.entry(volume.actor, volume.actors.get(volume.actor)?.seq ?? 0)
  assert.ok(entry !== undefined)
  return entry
}

function announced(entry: Entry): GossipMessage {
  const message = headOf(entry)
  assert.ok(message !== undefined)
  return message
}

async function cast(): Promise<[Replica, Replica, Replica]> {
  const a = await Replica.founder('a')
  const b = await a.member('b')
  const c = await a.member('c')
  await exchange(a, b, c)
  for (const one of [a, b, c]) one.write(`first of ${one.name}`, 'x')
  await exchange(a, b, c)
  return [a, b, c]
}

describe('gossip receiver', () => {
  test('an entry is passed on once, whatever its envelope, whether held or not', async () => {
    const [a, b, c] = await cast()
    a.write('news', 'x')
    const message = announced(await newest(a))
    const held = earOf(a, c)
    const lacking = earOf(b, c)
    for (const ear of [held, lacking]) {
      assert.equal(ear.hear(sealed(c, message)), 'accept')
      assert.equal(ear.hear(sealed(c, message)), 'ignore')
    }
    assert.ok((await b.names()).includes('news'))
    assert.deepEqual([...held.missingAt, ...lacking.missingAt], [])
  })

  test('nothing is accepted from peers that are not members of the volume', async () => {
    const [a, b] = await cast()
    const stranger = await Replica.open('stranger')
    b.write('news', 'x')
    const message = sealed(b, announced(await newest(b)))
    assert.equal(earOf(a, b).hear(message, stranger), 'ignore')
    assert.ok(!(await a.names()).includes('news'))
  })

  test('garbage of any kind is blamed on the peer that delivers it', async () => {
    const [a, b, c] = await cast()
    c.write('news', 'x')
    const entry = await newest(c)
    const { headerBytes: h, signature: g, body } = entry
    const forged = forge(b, { body, fields: { ...entry.header } })
    const plains: Record<string, object> = {
      'a map of nothing': {},
      'a header that is none': { t: 'head', h: g, g, b: null },
      'a signature that is none': { t: 'head', h, g: new Uint8Array(64), b: null },
      'another body': { t: 'head', h, g, b: Uint8Array.of(...body, 1) },
      "another's signature": { t: 'head', h, g: b.identity.sign('shoal/entry/1', h), b: body },
      'an entry in the name of another': {
        t: 'head',
        h: forged.headerBytes,
        g: forged.signature,
        b: body,
      },
      'a beacon that nobody signed': { t: 'beacon', b: body, s: g },
    }
    for (const knows of [false, true]) {
      if (knows) await send(c, a)
      const ear = earOf(a, b)
      for (const [what, plain] of Object.entries(plains))
        assert.equal(ear.hear(sealedPlain(b, encodeCbor(plain))), 'reject', `${what}, ${knows}`)
      assert.equal(ear.hear(new Uint8Array(100)), 'reject')
      assert.equal(ear.hear(sealedPlain(b, encodeCbor({ t: 'weather' }))), 'ignore')
    }
  })

  test('a message that no key opens causes two exchanges, and is garbage afterwards', async () => {
    const [a, b] = await cast()
    const ear = earOf(a, b)
    const { epoch } = keyOf(b)
    for (const claimed of [epoch, epoch + 7]) {
      ear.missingAt.length = 0
      const strange = { epoch: claimed, swarmKey: new Uint8Array(32).fill(7) }
      const hear = (): Verdict => ear.hear(sealedPlain(b, new Uint8Array(50), strange))
      for (const asked of [1, 2]) {
        for (let n = 0; n < 20; n++) assert.equal(hear(), 'ignore')
        assert.deepEqual(ear.missingAt, Array<PeerId>(asked).fill(b.identity.peer))
        ear.receiver.exchanged(b.identity.peer)
      }
      assert.equal(hear(), 'reject')
      a.clock.advance(61_000)
      assert.equal(hear(), 'ignore', 'after a while it may be another matter')
    }
  })

  test('a member of a newer epoch is asked, and heard from then on', async () => {
    const [a, b, c] = await cast()
    await a.volumes.remove(a.volume, c.identity.peer)
    const ear = earOf(b, a)
    a.write('of the new epoch', 'x')
    const entry = await newest(a)
    assert.equal(ear.hear(sealed(a, announced(entry))), 'ignore')
    assert.deepEqual(ear.missingAt, [a.identity.peer])
    await exchange(a, b)
    ear.receiver.exchanged(a.identity.peer)
    assert.equal(ear.hear(sealed(a, announced(entry))), 'accept')
  })

  test('a member without the key of an epoch blames nobody', async () => {
    const [a, b] = await cast()
    const d = await Replica.open('d')
    // d was admitted before the epoch began, by one who had not heard of it.
    await a.admit(d)
    await send(a, d)
    await a.volumes.remove(a.volume, b.identity.peer)
    const withoutKey = d.volume.membership.epoch < a.volume.membership.epoch
    assert.ok(withoutKey)
    const ear = earOf(d, a)
    a.write('x', 'x')
    const message = sealed(a, announced(await newest(a)))
    for (let n = 0; n < 3; n++) assert.notEqual(ear.hear(message), 'reject')
  })

  test('no honest member blames another for a message that it passed on', async () => {
    const [a, b, c] = await cast()
    c.write('1', 'x')
    const first = await newest(c)
    await send(c, b)
    c.write('2', 'x')
    const second = await newest(c)
    a.write('3', 'x')
    const third = await newest(a)
    const beacon = {
      peer: c.identity.peer,
      sentMs: c.clock.wall(),
      vector: c.volume.actors.vector(),
      digest: undefined,
      hlc: HLC_ZERO,
      cut: HLC_ZERO,
      root: undefined,
      freeBytes: 1,
      addresses: [],
    }
    const plains = [first, second, third].map(({ headerBytes, signature, body }) => {
      return { t: 'head', h: headerBytes, g: signature, b: body }
    })
    const change = fc.record({
      which: fc.nat(plains.length - 1),
      field: fc.constantFrom('h', 'g', 'b', 'none'),
      at: fc.nat(),
      isNamed: fc.boolean(),
    })
    const messages = fc.array(change, { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(messages, fc.boolean(), (changes, beats) => {
        // b has the first, a has neither of c's, nor c the third.
        const ears = [earOf(a, b), earOf(b, b), earOf(c, b)]
        const bytes = changes.map(({ which, field, at, isNamed }) => {
          const plain = { ...plains[which], ...(isNamed ? { b: null } : {}) } as Record<
            string,
            unknown
          >
          const value = plain[field]
          if (value instanceof Uint8Array) {
            const mutated = Uint8Array.from(value)
            mutated[at % mutated.length] = (mutated[at % mutated.length] ?? 0) ^ 1
            plain[field] = mutated
          }
          return sealedPlain(b, encodeCbor(plain))
        })
        const all = beats ? [...bytes, sealed(c, { kind: 'beacon', beacon })] : bytes
        for (const message of all) {
          const verdicts = ears.map((ear) => ear.hear(message))
          const isPassedOn = verdicts.includes('accept')
          assert.ok(!isPassedOn || !verdicts.includes('reject'), verdicts.join())
        }
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('a beacon that all whom it could be told have already is used, and not passed on', async () => {
    const a = await Replica.founder('a')
    const [b, c] = [await a.member('b'), await a.member('c')]
    await exchange(a, b, c)
    const stranger = await Replica.founder('stranger')
    const of = (...peers: readonly Replica[]): Uint8Array =>
      neighbourDigest(peers.map(({ identity }) => identity.peer).toSorted())
    const beaconAt = (sentMs: number, neighbours: Uint8Array | undefined): Uint8Array => {
      const beacon = {
        peer: b.identity.peer,
        sentMs,
        vector: new Map(),
        digest: undefined,
        hlc: HLC_ZERO,
        cut: HLC_ZERO,
        root: undefined,
        freeBytes: 1,
        addresses: [],
        neighbours,
      }
      return sealed(b, { kind: 'beacon', beacon })
    }
    const ear = earOf(a, b, [b, c, stranger])
    assert.equal(ear.hear(beaconAt(1, of(a, b, c))), 'ignore')
    assert.equal(a.volume.beacons.of(b.identity.peer)?.sentMs, 1)
    assert.equal(ear.hear(beaconAt(2, of(a, b))), 'accept', 'it has no connection to c')
    assert.equal(ear.hear(beaconAt(3, undefined)), 'accept')
    assert.equal(ear.hear(beaconAt(4, of(a, b, c)), c), 'accept', 'it did not come from b itself')
    const alone = earOf(a, b, [b])
    assert.equal(alone.hear(beaconAt(5, of(a, b, c))), 'accept')
    assert.equal(alone.hear(beaconAt(6, of(a, b))), 'ignore')
  })
})
