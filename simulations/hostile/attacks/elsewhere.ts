// Attempts of a removed member, or of a member of another volume of the same nodes. The liar tells
// it all that it knows.
import type { VolumeId } from '../../../protocol/ids.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import {
  SHARD_PROTOCOL,
  decodeShardReply,
  encodeShardRequest,
} from '../../../protocol/wire/shard.ts'
import { ANY_ROLE, disbelieved } from '../attack.ts'
import type { Attack, Look, Stage } from '../attack.ts'
import { Outsider } from '../outsider.ts'
import { MEMBER_PROTOCOLS } from './strangers.ts'

/** In which all have heard of a removal. */
const TOLD_MS: number = MINUTE_MS
/** Some beacons. */
const BEACONS_MS: number = 40 * SECOND_MS

/** Do something as a member of a new volume of the founder, and of no other. */
async function asMemberElsewhere(
  stage: Stage,
  run: (guest: Outsider, volume: VolumeId) => Promise<Look>,
): Promise<Look> {
  const { founder, random } = stage
  const name = `side-${random.word()}`
  const { id } = await founder.ask((api) => api.createVolume({ name }))
  const guest = await Outsider.guest(stage, { volume: name })
  try {
    return await run(guest, id)
  } finally {
    guest.end()
    await founder.ask((api) => api.removePeer(guest.peer, { volume: name, now: true }))
  }
}

export const ELSEWHERE_ATTACKS: readonly Attack[] = [
  {
    name: 'who was removed goes on as a member',
    rule: 'removed-only-join',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const { founder, wait } = stage
      const guest = await Outsider.guest(stage, { role: 'reader' })
      await founder.ask((api) => api.removePeer(guest.peer, { now: true }))
      await wait(TOLD_MS)
      const served: string[] = []
      for (const node of stage.honest) {
        const peers = await node.ask((api) => api.listPeers())
        if (peers.some(({ id, volumes }) => id === guest.peer && volumes.length > 0)) continue
        for (const protocol of MEMBER_PROTOCOLS)
          if (await guest.isServed(node, protocol)) served.push(`${protocol} of ${node.name}`)
      }
      guest.end()
      return async () =>
        disbelieved(served.length === 0, `a removed member reaches ${served.join()}`)
    },
  },
  {
    name: 'a member of another volume listens on the topics of this one',
    rule: 'gossip-by-members',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      return asMemberElsewhere(stage, async (guest) => {
        let heard = 0
        const listener = (): 'ignore' => {
          heard++
          return 'ignore'
        }
        for (const topic of stage.liar.topics())
          guest.network.subscribe(topic, listener, () => true)
        await guest.dial(stage.founder)
        await stage.wait(BEACONS_MS)
        return async () => disbelieved(heard === 0, `${heard} messages were heard by no member`)
      })
    },
  },
  {
    name: 'a member of another volume asks there for the shards of this one',
    rule: 'shards-by-volume',
    kind: 'lie',
    roles: ANY_ROLE,
    async run(stage) {
      const { founder, liar } = stage
      return asMemberElsewhere(stage, async (guest, volume) => {
        const signal = guest.deadline()
        const channel = await guest.open(founder, SHARD_PROTOCOL)
        let given = 0
        for await (const stripe of liar.volume.stripes.all()) {
          await channel.send([encodeShardRequest({ kind: 'have', volume, stripe })], { signal })
          const reply = decodeShardReply((await channel.receive({ signal })) ?? new Uint8Array())
          if (reply.kind === 'ok') given += reply.indices.length
        }
        return async () => disbelieved(given === 0, `${given} shards are told of to no member`)
      })
    },
  },
]
