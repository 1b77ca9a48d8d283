// All attacks there are.
import type { Attack } from './attack.ts'
import { BACKUP_ATTACKS } from './attacks/backups.ts'
import { CHANNEL_ATTACKS } from './attacks/channels.ts'
import { CHECKPOINT_ATTACKS } from './attacks/checkpoints.ts'
import { ELSEWHERE_ATTACKS } from './attacks/elsewhere.ts'
import { GOSSIP_ATTACKS } from './attacks/gossip.ts'
import { GROWTH_ATTACKS } from './attacks/growth.ts'
import { HISTORY_ATTACKS } from './attacks/history.ts'
import { LOCK_ATTACKS } from './attacks/locks.ts'
import { OP_ATTACKS } from './attacks/ops.ts'
import { SNAPSHOT_ATTACKS } from './attacks/snapshots.ts'
import { STRANGER_ATTACKS } from './attacks/strangers.ts'
import { VOTE_ATTACKS } from './attacks/votes.ts'
import { STRIPE_ATTACKS } from './attacks/stripes.ts'
import { SWEEP_ATTACKS } from './attacks/sweeps.ts'
import { UNSEEN_ATTACKS } from './attacks/unseen.ts'

export const ATTACKS: readonly Attack[] = [
  ...BACKUP_ATTACKS,
  ...CHANNEL_ATTACKS,
  ...CHECKPOINT_ATTACKS,
  ...ELSEWHERE_ATTACKS,
  ...GOSSIP_ATTACKS,
  ...GROWTH_ATTACKS,
  ...HISTORY_ATTACKS,
  ...LOCK_ATTACKS,
  ...OP_ATTACKS,
  ...SNAPSHOT_ATTACKS,
  ...STRANGER_ATTACKS,
  ...VOTE_ATTACKS,
  ...STRIPE_ATTACKS,
  ...SWEEP_ATTACKS,
  ...UNSEEN_ATTACKS,
]

/** throws RangeError for a name that no attack has. */
export function attackNamed(name: string): Attack {
  const attack = ATTACKS.find((one) => one.name === name)
  if (attack === undefined) throw new RangeError(`no attack is called ${name}`)
  return attack
}
