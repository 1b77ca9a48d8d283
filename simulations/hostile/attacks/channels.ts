// Attacks of a member over channels: to cost much, to keep others waiting, and to have messages
// believed that a reader must refuse.
import { decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { CBOR_ITEMS_MAX } from '../../../protocol/limits.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import { KIB, MIB, MINUTE_MS } from '../../../protocol/units.ts'
import { stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { CHECKPOINT_PROTOCOL, encodeCheckpointMessage } from '../../../protocol/wire/checkpoint.ts'
import { LOG_PROTOCOL, decodeLogMessage, encodeLogMessage } from '../../../protocol/wire/log.ts'
import {
  SECURITY_PROTOCOL,
  encodeSecurityAnswer,
  signSecurityHead,
} from '../../../protocol/wire/security.ts'
import { SHARD_PROTOCOL, encodeShardRequest } from '../../../protocol/wire/shard.ts'
import { summaryOf } from '../../../node/log/log-summary.ts'
import type { Channel } from '../../../node/world/world.ts'
import { ANY_ROLE, disbelieved } from '../attack.ts'
import type { Attack, Stage } from '../attack.ts'
import type { Liar } from '../liar.ts'
import { giveAll } from './ops.ts'
import { MEMBER_PROTOCOLS } from './strangers.ts'

/** Far more than a node tolerates. */
const GARBAGE = 300
const ENTRIES = 300
const HANGING = 24
const FORGED = 20
const FRAME: number = 1 * MIB
const BODY: number = 256 * KIB
const HANGING_MS: number = 3 * MINUTE_MS
const ENDED = Symbol('ended')

function helloOf({ volume }: Liar): Uint8Array {
  return encodeLogMessage({ kind: 'hello', volume: volume.id, log: summaryOf(volume) })
}

/** Send frames on a channel of its own, and hear one answer; ENDED if there is none. */
async function say(
  liar: Liar,
  peer: PeerId,
  protocol: string,
  frame: Uint8Array,
): Promise<Uint8Array | typeof ENDED> {
  const channel = await liar.channel(peer, protocol)
  const signal = liar.deadline()
  try {
    await channel.send([frame], { signal })
    return (await channel.receive({ signal })) ?? ENDED
  } catch (error) {
    if (error instanceof ShoalError) return ENDED
    throw error
  } finally {
    channel.abort(new Error('heard'))
  }
}

/** As many as the other lets it open, each with a first frame if there is one. */
async function openMany(
  { liar, victim }: Stage,
  protocol: string,
  frame?: Uint8Array,
): Promise<readonly Channel[]> {
  const channels: Channel[] = []
  const signal = liar.deadline()
  try {
    for (let n = 0; n < HANGING; n++) {
      const channel = await liar.channel(victim.peer, protocol)
      channels.push(channel)
      if (frame !== undefined) await channel.send([frame], { signal })
    }
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
  }
  return channels
}

/** First frames that an honest member would send, and then something more. */
async function beginnings({ liar }: Stage): Promise<readonly (readonly [string, Uint8Array])[]> {
  const { id } = liar.volume
  const shards: (readonly [string, Uint8Array])[] = []
  for await (const stripe of liar.volume.stripes.all()) {
    const range = { offset: 0, length: 1, proof: true }
    const request = { kind: 'get', volume: id, stripe, index: 0, ...range } as const
    shards.push([SHARD_PROTOCOL, encodeShardRequest(request)])
  }
  return [
    [LOG_PROTOCOL, helloOf(liar)],
    [CHECKPOINT_PROTOCOL, encodeCheckpointMessage({ kind: 'get', volume: id, governed: [] })],
    ...shards.slice(0, 1),
  ]
}

/**
 * Entries of its own that are of no use, one after the other: as they should be, or with other
 * bodies.
 */
export function uselessEntries(
  liar: Liar,
  count: number,
  bodies: readonly Uint8Array[] = [],
): readonly Entry[] {
  const { peer } = liar.identity
  const entries: Entry[] = []
  while (entries.length < count) {
    const before = entries.at(-1)
    const capacityBytes = entries.length
    const op = { kind: 'member-info', peer, name: 'liar', zone: '', capacityBytes } as const
    const body = bodies[entries.length]
    const after = before && {
      actor: before.header.actor,
      seq: before.header.seq + 1,
      prev: before.hash,
      deps: [],
      hlc: (before.header.hlc + 1n) as typeof before.header.hlc,
      origin: undefined,
    }
    entries.push(liar.entry([op], { ...after, ...(body && { body }) }))
  }
  return entries
}

/** A list of empty lists. */
function wide(bytes: number): Uint8Array {
  const list = new Uint8Array(bytes).fill(0x80)
  list[0] = 0x9a
  new DataView(list.buffer).setUint32(1, bytes - 5)
  return list
}

/** Lists in lists. */
function deep(bytes: number): Uint8Array {
  const list = new Uint8Array(bytes).fill(0x81)
  list[bytes - 1] = 0x80
  return list
}

export const CHANNEL_ATTACKS: readonly Attack[] = [
  {
    name: 'it sends garbage, channel after channel',
    rule: 'costs-within-budget',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run({ liar, victim, random }) {
      let opened = 0
      try {
        while (opened < GARBAGE) {
          await say(liar, victim.peer, LOG_PROTOCOL, random.bytes(64))
          opened++
        }
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
      }
      return async () => disbelieved(opened < GARBAGE, `${opened} channels of garbage were served`)
    },
  },
  {
    name: 'it begins with a message of more items than may be counted',
    rule: 'cbor-counted-first',
    kind: 'lie',
    roles: ANY_ROLE,
    async run({ liar, victim }) {
      const hello = decodeCbor(helloOf(liar), 'hello') as Record<string, unknown>
      const wide = encodeCbor({ ...hello, zz: Array(CBOR_ITEMS_MAX + 1).fill(0) })
      const answer = await say(liar, victim.peer, LOG_PROTOCOL, wide)
      const kind = answer === ENDED ? 'error' : decodeLogMessage(answer).kind
      return async () => disbelieved(kind === 'error', 'more was decoded than charged for')
    },
  },
  {
    name: 'it says that it holds a log of the victim that the victim never had',
    rule: 'security-head-signed',
    kind: 'lie',
    roles: ANY_ROLE,
    async run({ liar, victim, random }) {
      const forged = signSecurityHead(liar.identity, 1_000_000, random.bytes(32))
      await liar.network.handle(SECURITY_PROTOCOL, async (channel) => {
        const signal = liar.deadline()
        await channel.receive({ signal })
        await channel.send([encodeSecurityAnswer(forged)], { signal })
        await channel.close()
      })
      const { witnesses } = await victim.ask((api) => api.checkSecurity())
      const its = witnesses.find(({ peer }) => peer === liar.identity.peer)
      return async () =>
        disbelieved(its?.number === undefined, `${victim.name} is told of a log: ${its?.holds}`)
    },
  },
  {
    name: 'it says that all its requests are of traces that are told of',
    rule: 'traces-by-own',
    kind: 'lie',
    roles: ANY_ROLE,
    async run({ liar, victim, random }) {
      const { toldCount } = victim
      const channel = await liar.channel(victim.peer, SHARD_PROTOCOL)
      const signal = liar.deadline()
      for (let n = 0; n < FORGED; n++) {
        const stripe = stripeIdOf(random.bytes(32))
        const trace = { traceId: random.bytes(16), spanId: random.bytes(8), isSampled: true }
        const request = { kind: 'have', volume: liar.volume.id, stripe, trace } as const
        await channel.send([encodeShardRequest(request)], { signal })
        await channel.receive({ signal })
      }
      channel.abort(new Error('heard'))
      return async () =>
        disbelieved(
          victim.toldCount === toldCount,
          `${victim.name} told ${victim.toldCount - toldCount} spans since a peer wanted it`,
        )
    },
  },
  {
    name: 'it sends frames that are large, deep, or wide',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run({ liar, honest, random }) {
      const frames = [wide(FRAME), deep(FRAME), random.bytes(FRAME)]
      for (const { peer } of honest)
        for (const protocol of MEMBER_PROTOCOLS)
          await say(liar, peer, protocol, random.pick(frames)).catch(() => undefined)
      return undefined
    },
  },
  {
    name: 'it writes much that is of no use',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run(stage) {
      await giveAll(stage, uselessEntries(stage.liar, ENTRIES))
      return undefined
    },
  },
  {
    name: 'it writes what nobody can read, which is kept all the same',
    rule: 'clear-body-decodes',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const { liar, victim, random } = stage
      const [entry] = uselessEntries(liar, 1, [random.bytes(BODY)])
      if (entry === undefined) return undefined
      await giveAll(stage, [entry])
      const { actor, seq } = entry.header
      const [hello] = await liar.exchange(victim.peer, [])
      const held = hello?.kind === 'hello' ? (hello.log.vector.get(actor) ?? 0) : 0
      return async () =>
        disbelieved(held < seq, `${victim.name} keeps an entry that nobody can read`)
    },
  },
  {
    name: 'it writes what is deep, wide, or means nothing',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run(stage) {
      const { liar, random } = stage
      const bodies = [wide(BODY), deep(BODY), random.bytes(BODY), new Uint8Array(0), wide(6)]
      await giveAll(stage, uselessEntries(liar, bodies.length + 1, bodies))
      return undefined
    },
  },
  {
    name: 'it opens channels and says nothing, or begins, and reads nothing',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run(stage) {
      for (const protocol of MEMBER_PROTOCOLS) await openMany(stage, protocol)
      for (const [protocol, frame] of await beginnings(stage))
        await openMany(stage, protocol, frame)
      await stage.wait(HANGING_MS)
      const link = stage.cluster.network.link(stage.liar.identity.peer, stage.victim.peer)
      const channels = link?.end(stage.victim.peer).channels ?? []
      const hanging = [...channels].filter(({ outbound }) => !outbound)
      return async () => disbelieved(hanging.length === 0, `${hanging.length} channels hang`)
    },
  },
]
