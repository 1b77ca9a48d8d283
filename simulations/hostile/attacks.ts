// All attacks there are.
import type { Attack } from './attack.ts'
import { CHECKPOINT_ATTACKS } from './attacks/checkpoints.ts'
import { OP_ATTACKS } from './attacks/ops.ts'

export const ATTACKS: readonly Attack[] = [...CHECKPOINT_ATTACKS, ...OP_ATTACKS]

/** throws RangeError for a name that no attack has. */
export function attackNamed(name: string): Attack {
  const attack = ATTACKS.find((one) => one.name === name)
  if (attack === undefined) throw new RangeError(`no attack is called ${name}`)
  return attack
}
