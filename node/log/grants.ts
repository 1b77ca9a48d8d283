// Says in the log, as an admin, that somebody is given rights in a volume, or loses them. The
// caller has seen that this node is one.
import type { PeerId } from '../../protocol/ids.ts'
import { sealEpochKey } from '../../protocol/membership/members.ts'
import type { RecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { World } from '../world/world.ts'
import type { Volume } from './volume.ts'

export const SECRET_BYTES = 32

/** Make a key a member that may recover the volume from a tier. */
export async function grantRecoveryKey(
  volume: Volume,
  { random, clock }: Pick<World, 'random' | 'clock'>,
): Promise<RecoveryKey> {
  const { membership } = volume
  const identity = identityFromSeed(random.bytes(SECRET_BYTES))
  const { peer, seed } = identity
  const day = new Date(clock.wall()).toISOString().slice(0, 10)
  const base = `recovery-${day}`
  const name = membership.freeNameFor(peer, base)
  const secrets = membership.allSecrets()
  const keys = secrets.map(([epoch, secret]) => ({
    epoch,
    sealed: sealEpochKey(peer, 'recovery', secret, random.bytes(32)),
  }))
  volume.atomically(() => {
    volume.submit({ kind: 'member', peer, role: 'recovery', keys })
    volume.submit({ kind: 'member-info', peer, name, zone: '', capacityBytes: 0 })
  })
  await volume.commit()
  return { name, genesis: volume.genesisBytes, seed, secrets }
}

/** Take a member's rights away and give those who remain a new key. */
export async function removeMember(
  volume: Volume,
  peer: PeerId,
  { random }: Pick<World, 'random'>,
): Promise<void> {
  const secret = random.bytes(SECRET_BYTES)
  const epoch = volume.membership.epoch + 1
  const remaining = volume.membership.members().filter((member) => member.peer !== peer)
  const keys = remaining.map((member) => ({
    peer: member.peer,
    sealed: sealEpochKey(member.peer, member.role, secret, random.bytes(32)),
  }))
  volume.atomically(() => {
    volume.submit({ kind: 'remove-member', peer })
    volume.submit({ kind: 'epoch', epoch, keys })
  })
  await volume.commit()
}
