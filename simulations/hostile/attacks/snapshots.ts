// Snapshots that are not what their maker says, and the state in hands that are not to have it.
import { governedHere } from '../../../node/checkpoint/announcement.ts'
import { baseOf } from '../../../node/checkpoint/compute-snapshot.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { SHORT_ID_BYTES } from '../../../protocol/ids.ts'
import type { SnapshotId } from '../../../protocol/op/snapshot-op.ts'
import type { NodeHash } from '../../../protocol/prolly/prolly.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import {
  CHECKPOINT_PROTOCOL,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../../protocol/wire/checkpoint.ts'
import { disbelieved } from '../attack.ts'
import type { Attack, Look } from '../attack.ts'
import { giveAll } from './ops.ts'
import { alone } from './unseen.ts'

export const SNAPSHOT_ATTACKS: readonly Attack[] = [
  {
    name: 'it makes a snapshot of all, and says that there is nothing in it',
    rule: 'snapshot-by-own',
    kind: 'lie',
    roles: ['writer'],
    async run(stage): Promise<Look> {
      const { founder, liar, random } = stage
      const { volume, identity } = liar
      const name = `snapshot-${random.word()}`
      const id = toHex(liar.random.bytes(SHORT_ID_BYTES)) as SnapshotId
      const cut = {
        hlc: volume.actors.hlc,
        vector: volume.actors.vector(),
        base: baseOf(volume),
        governed: governedHere(volume),
      }
      const op = { kind: 'snapshot', peer: identity.peer, id, name, folder: ROOT, ...cut } as const
      await giveAll(stage, [alone(liar, [{ ...op, root: undefined }])])
      return async () => {
        const listed = await founder.ask((api) => api.listSnapshots())
        const made = listed.find((one) => one.name === name)
        disbelieved(made?.state !== 'taken', `${founder.name} believes that nothing was there`)
      }
    },
  },
  {
    name: 'it asks for the names of the state by way of snapshots, which it may not read',
    kind: 'lie',
    roles: ['keeper'],
    async run({ liar, honest }) {
      const { volume } = liar
      const ids = [volume.checkpoint?.sealed ?? ('0'.repeat(64) as NodeHash)]
      for (const { peer } of honest) {
        const channel = await liar.channel(peer, CHECKPOINT_PROTOCOL)
        const signal = liar.deadline()
        for (const message of [
          { kind: 'open', volume: volume.id },
          { kind: 'want', sealed: true, ids },
        ] as const)
          await channel.send([encodeCheckpointMessage(message)], { signal })
        // A refusal ends the channel, which is as it should be.
        const answer = await channel.receive({ signal }).catch(() => undefined)
        const isServed = answer !== undefined && decodeCheckpointMessage(answer).kind === 'nodes'
        disbelieved(!isServed, `${peer} shows a keeper the names`)
      }
      return undefined
    },
  },
]
