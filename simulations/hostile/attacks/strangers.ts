// Attempts of strangers that were never members: alone, or with a ticket that is no longer valid.
import { parseTicket } from '../../../protocol/membership/ticket.ts'
import { CHECKPOINT_PROTOCOL } from '../../../protocol/wire/checkpoint.ts'
import { JOIN_PROTOCOL, encodeJoinRequest } from '../../../protocol/wire/join.ts'
import { LOCK_PROTOCOL } from '../../../protocol/wire/lock.ts'
import { LOG_PROTOCOL } from '../../../protocol/wire/log.ts'
import { SECURITY_PROTOCOL } from '../../../protocol/wire/security.ts'
import { SHARD_PROTOCOL } from '../../../protocol/wire/shard.ts'
import { STRONG_PROTOCOL } from '../../../protocol/wire/strong.ts'
import { ANY_ROLE, disbelieved } from '../attack.ts'
import type { Attack, Stage } from '../attack.ts'
import { Outsider, withTicket } from '../outsider.ts'

/** Those of members alone. */
export const MEMBER_PROTOCOLS: readonly string[] = [
  LOG_PROTOCOL,
  CHECKPOINT_PROTOCOL,
  SHARD_PROTOCOL,
  STRONG_PROTOCOL,
  LOCK_PROTOCOL,
  SECURITY_PROTOCOL,
]

const STRANGERS = 6
/** Channels of one stranger. */
const CHANNELS = 12

/** Show a ticket to the founder, and wait for what it says. throws ShoalError if it hangs up. */
async function show(ticket: string, stranger: Outsider, { founder }: Stage): Promise<void> {
  const { volume, secret } = parseTicket(ticket)
  const channel = await stranger.open(founder, JOIN_PROTOCOL)
  const signal = stranger.deadline()
  await channel.send([encodeJoinRequest({ kind: 'join', volume, secret })], { signal })
  await channel.receive({ signal })
}

export const STRANGER_ATTACKS: readonly Attack[] = [
  {
    name: 'a stranger speaks as a member while somebody is awaited',
    rule: 'strangers-only-join',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const stranger = await Outsider.stranger(stage)
      const served: string[] = []
      await withTicket(stage, {}, async () => {
        for (const protocol of MEMBER_PROTOCOLS)
          if (await stranger.isServed(stage.founder, protocol)) served.push(protocol)
      })
      stranger.end()
      return async () => disbelieved(served.length === 0, `a stranger reaches ${served.join()}`)
    },
  },
  {
    name: 'a stranger comes while nobody is awaited',
    rule: 'gate-needs-ticket',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const stranger = await Outsider.stranger(stage)
      const isServed = await stranger.isServed(stage.founder, JOIN_PROTOCOL)
      stranger.end()
      return async () => disbelieved(!isServed, 'an uninvited stranger is let in')
    },
  },
  {
    name: 'a stranger joins by a ticket that was taken back',
    rule: 'ticket-open',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const stranger = await Outsider.stranger(stage)
      const taken = await withTicket(stage, { role: 'admin' }, async (ticket) => ticket)
      await withTicket(stage, {}, () => show(taken, stranger, stage))
      stranger.end()
      return undefined
    },
  },
  {
    name: 'strangers join at once by a ticket of one use',
    rule: 'ticket-open',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const crowd: Outsider[] = []
      for (let n = 0; n < STRANGERS; n++) crowd.push(await Outsider.stranger(stage))
      // Another one is open for as long as this takes.
      await withTicket(stage, {}, () =>
        withTicket(stage, { role: 'reader' }, (ticket) =>
          Promise.allSettled(crowd.map((stranger) => show(ticket, stranger, stage))),
        ),
      )
      for (const stranger of crowd) stranger.end()
      const peers = await stage.founder.ask((api) => api.listPeers())
      const members = peers.filter(
        ({ id, volumes }) => volumes.length > 0 && crowd.some(({ peer }) => peer === id),
      )
      for (const { id } of members)
        await stage.founder.ask((api) => api.removePeer(id, { now: true }))
      return async () => disbelieved(members.length <= 1, `${members.length} joined by one use`)
    },
  },
  {
    name: 'a stranger announces itself on the local network',
    rule: 'members-only-kept',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const stranger = await Outsider.stranger(stage)
      stage.cluster.network.announce(stranger.peer, stage.victim.peer)
      return async () => {
        stranger.end()
        const kept = await stage.victim.machine.world.network.addressesOf(stranger.peer)
        disbelieved(kept.length === 0, `${stage.victim.name} keeps the address of a stranger`)
      }
    },
  },
  {
    name: 'strangers send what is no request, or nothing',
    kind: 'bomb',
    roles: ANY_ROLE,
    async run(stage) {
      const { random, founder } = stage
      const crowd: Outsider[] = []
      for (let n = 0; n < STRANGERS; n++) crowd.push(await Outsider.stranger(stage))
      await withTicket(stage, { uses: 2 }, async () => {
        for (const stranger of crowd) {
          for (let n = 0; n < CHANNELS; n++) {
            const channel = await stranger.open(founder, JOIN_PROTOCOL).catch(() => undefined)
            const size = random.pick([0, 1, 100, 5_000_000])
            const signal = stranger.deadline()
            if (size > 0)
              await channel?.send([random.bytes(size)], { signal }).catch(() => undefined)
          }
        }
      })
      for (const stranger of crowd) stranger.end()
      return undefined
    },
  },
]
