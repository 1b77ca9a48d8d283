// Facts of a node that is well, and of one that is not.
import { NODE, PEER, VOLUME } from '../../cli/memory-status.ts'
import type { Facts } from '../../../node/alerts/facts.ts'
import type { Notice, NodeStatus, PeerStatus, VolumeStatus } from '../../../node/control/status.ts'
import type { WallTime } from '../../../protocol/units.ts'

export const NOW: WallTime = 1_764_000_000_000 as WallTime

export interface Changed {
  readonly node?: Partial<NodeStatus['node']>
  readonly peer?: Partial<PeerStatus>
  readonly volume?: Partial<VolumeStatus>
  readonly log?: Partial<VolumeStatus['log']>
  readonly notice?: Partial<Notice> & Pick<Notice, 'kind'>
  readonly facts?: Partial<Facts>
  readonly backup?: NonNullable<NodeStatus['backups']>[number]
}

/** A node that is well but for what is changed. */
export function factsWith({ node, peer, volume, log, notice, facts, backup }: Changed): Facts {
  const whole = { ...VOLUME, conflicts: 0, ...volume }
  const about = { timeMs: NOW, volume: whole.id, volumeName: whole.name }
  return {
    status: {
      node: { ...NODE, ...node },
      peers: [{ ...PEER, ...peer }],
      volumes: [{ ...whole, log: { ...whole.log, ...log } }],
      mounts: [],
      locks: [],
      notices:
        notice === undefined ? [] : [{ ...about, member: 'shelf', isSelf: false, ...notice }],
      backups: backup && [backup],
    },
    tickets: [],
    nowMs: NOW,
    ...facts,
  }
}
