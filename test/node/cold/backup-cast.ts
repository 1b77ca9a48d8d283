// Two writers of a volume whose namespace goes into a tier in memory, and a machine that has
// nothing but the tier and a key.
import assert from 'node:assert/strict'
import { restoreNamespace } from '../../../node/checkpoint/restore.ts'
import type { SecurityEvent } from '../../../node/observe/security.ts'
import { BackupSource } from '../../../node/cold/backup-source.ts'
import type { LeastBackup, SkippedBackup } from '../../../node/cold/backup-source.ts'
import { Backup } from '../../../node/cold/backup.ts'
import type { RecoveryKey } from '../../../protocol/membership/recovery-key.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine } from '../log/machines.ts'
import { Replica } from '../log/replicas.ts'
import { MemoryTier } from './memory-tier.ts'

const never = new AbortController().signal

export interface Saver {
  readonly backup: Backup
  /** The events that it recorded. */
  readonly events: SecurityEvent[]
  /** In the background, as its turn is. */
  readonly run: () => Promise<number | undefined>
  /** Now. */
  readonly save: () => Promise<void>
}

/** A function that saves the namespace of a machine into a tier. */
export function saver({ replica, volume }: Machine, tier: MemoryTier): Saver {
  const events: SecurityEvent[] = []
  const backup = new Backup({
    world: {
      clock: instant(replica.clock),
      random: new SeededRandom('backup', `keys of ${replica.identity.peer}`),
      network: { self: replica.identity.peer },
    },
    hosted: {
      volume,
      tiers: { agreed: () => ['attic'], agreedMs: () => 0 as WallTime, open: () => tier },
    },
    isOnline: () => true,
    log: () => undefined,
    security: (event) => events.push(event),
  })
  const run = async (): Promise<number | undefined> => {
    await volume.commit()
    return backup.run(never)
  }
  return { backup, events, run, save: () => backup.save('attic', never) }
}

export async function cast(): Promise<
  Saver & { a: Machine; b: Machine; tier: MemoryTier; key: RecoveryKey }
> {
  const a = new Machine(await Replica.founder('a'))
  const b = new Machine(await a.replica.member('b'))
  const key = await a.replica.volumes.makeRecoveryKey(a.volume)
  const tier = new MemoryTier()
  return { a, b, tier, key, ...saver(a, tier) }
}

/** A node that has nothing but the tier and the key; a failure leaves nothing there. */
export async function recover(
  a: Machine,
  tier: MemoryTier,
  key: RecoveryKey,
  {
    least,
    onSkipped,
  }: { least?: LeastBackup; onSkipped?: (all: readonly SkippedBackup[]) => void } = {},
): Promise<Replica> {
  const fresh = await Replica.open('fresh')
  fresh.clock.advance(Math.max(0, a.replica.clock.wall() - fresh.clock.wall()))
  const world = { clock: instant(fresh.clock), random: new SeededRandom('fresh', 'recovery') }
  const admit = fresh.identity.peer
  try {
    const source = await BackupSource.open(tier, { key, clock: fresh.clock }, never)
    const { backup } = await source.use(least, (namespace) =>
      fresh.volumes.recover(key.genesis, identityFromSeed(key.seed), (volume) =>
        restoreNamespace({ volume, world }, namespace, { admit, signal: never }),
      ),
    )
    assert.equal(backup.head.tier, 'attic')
    onSkipped?.(source.skipped)
  } catch (error) {
    assert.deepEqual(fresh.volumes.all(), [])
    for await (const [record] of fresh.store.kv.scan({ from: 'V', to: 'n~' }))
      assert.fail(`${record} is left`)
    throw error
  }
  return fresh.reopen()
}
