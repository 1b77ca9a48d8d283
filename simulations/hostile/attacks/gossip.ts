// Floods of a member: in the name of others, or of falsehoods of its own.
import { HLC_ZERO, hlcMillis } from '../../../protocol/clock/hlc.ts'
import { assert } from '../../../protocol/errors.ts'
import type { ActorId } from '../../../protocol/ids.ts'
import { CLOCK_AHEAD_MS } from '../../../protocol/limits.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { headOf } from '../../../protocol/wire/gossip.ts'
import type { Beacon } from '../../../protocol/wire/gossip.ts'
import type { PeerStatus } from '../../../node/control/status.ts'
import { readVolume } from '../../inspection.ts'
import { ANY_ROLE, disbelieved } from '../attack.ts'
import type { Attack, Stage } from '../attack.ts'
import type { Liar } from '../liar.ts'
import { unlinksOf } from './ops.ts'

/** Some may be lost on the way. */
const TIMES = 4
/** Ops that fit into an announced entry with its body. */
const OPS = 6
const HEADS = 300

/** Beacons of the liar, one after the other. */
export async function beat(liar: Liar, fields: Partial<Beacon>): Promise<void> {
  const { sentMs = Math.floor(liar.clock.wall()) } = fields
  for (let n = 0; n < TIMES; n++) {
    const beacon: Beacon = {
      peer: liar.identity.peer,
      vector: new Map(),
      digest: undefined,
      hlc: HLC_ZERO,
      cut: HLC_ZERO,
      root: undefined,
      freeBytes: 1,
      addresses: [],
      ...fields,
      sentMs: sentMs + n,
    }
    await liar.gossip({ kind: 'beacon', beacon })
  }
}

async function liarAt({ victim, liar }: Stage): Promise<PeerStatus | undefined> {
  const peers = await victim.ask((api) => api.listPeers())
  return peers.find(({ id }) => id === liar.identity.peer)
}

export const GOSSIP_ATTACKS: readonly Attack[] = [
  {
    name: 'it announces in the name of the founder that files are removed',
    rule: 'heads-signed',
    kind: 'lie',
    roles: ['writer', 'reader'],
    async run(stage) {
      const { liar, founder } = stage
      const { actors, membership } = liar.volume
      const [author] = [...actors.all()].filter(({ peer }) => peer === founder.peer)
      assert(author !== undefined, 'the founder has written something')
      const { id: actor, seq, hash: prev } = author
      const ops = (await unlinksOf(stage)).slice(0, OPS)
      const forged = liar.entry(ops, {
        actor,
        seq: seq + 1,
        prev,
        grant: membership.member(founder.peer)?.grant ?? author.grant,
        origin: undefined,
        sealed: true,
      })
      const head = headOf(forged)
      for (let n = 0; head !== undefined && n < TIMES; n++) await liar.gossip(head)
      return undefined
    },
  },
  {
    name: 'it says that it has more free space than it offers',
    rule: 'space-within-capacity',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      await beat(stage.liar, { freeBytes: 2 ** 52 })
      return async () => {
        const { freeBytes = 0, capacityBytes = 0 } = (await liarAt(stage)) ?? {}
        disbelieved(
          freeBytes <= capacityBytes,
          `it has ${freeBytes} of ${capacityBytes} bytes free`,
        )
      }
    },
  },
  {
    name: 'it sends a beacon of a time to come, before which all of its others are',
    rule: 'beacons-advance',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const { liar } = stage
      const freeBytes = 1 + stage.random.below(1_000_000)
      await beat(liar, { freeBytes, sentMs: Math.floor(liar.clock.wall()) + 2 * CLOCK_AHEAD_MS })
      return async () => {
        const isHeard = (await liarAt(stage))?.freeBytes === freeBytes
        disbelieved(!isHeard, 'a beacon from the future counts')
      }
    },
  },
  {
    name: 'it says that it is tomorrow there',
    rule: 'time-by-majority',
    kind: 'lie',
    roles: ['writer'],
    async run({ liar, victim, random }) {
      await liar.exchange(victim.peer, [], (liar.clock.wall() + 20 * HOUR_MS) as WallTime)
      const { kv, identity, world } = victim.machine
      const path = `/said ${random.below(1_000_000)}`
      await victim.ask((api) => api.makeFolder(path, { ack: 'local' }))
      return async () => {
        const hlc = (await readVolume(kv, identity))?.replica.actors.hlc ?? HLC_ZERO
        const aheadMs = hlcMillis(hlc) - world.clock.wall()
        disbelieved(aheadMs < CLOCK_AHEAD_MS, `the log is ${aheadMs} ms ahead`)
      }
    },
  },
  {
    name: 'it announces the same again and again, in other envelopes',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run({ liar }) {
      for (const { id, seq } of liar.volume.actors.all()) {
        const entry = liar.volume.entries.entry(id, seq)
        const head = entry && headOf(entry)
        for (let n = 0; head !== undefined && n < HEADS; n++) await liar.gossip(head)
      }
      return undefined
    },
  },
  {
    name: 'it announces entries of actors that are not',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run({ liar, random }) {
      for (let n = 0; n < HEADS; n++) {
        const actor = toHex(random.bytes(16)) as ActorId
        const { body: _, ...head } = liar.entry([], { actor, seq: 1 + n, origin: undefined })
        await liar.gossip({ kind: 'head', head, body: undefined })
      }
      return undefined
    },
  },
]
