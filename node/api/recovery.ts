// The owner's calls for the day when all machines are gone.
import { parseTierLocation } from '../../protocol/cold/location.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { ExportedKey, RecoveryApi, UsedBackup } from '../control/recovery.ts'
import { refill } from '../namespace/refill.ts'
import type { Volume } from '../namespace/volume.ts'
import { BackupSource } from '../tier/backup-source.ts'
import type { FoundBackup } from '../tier/backup-source.ts'
import { describeVolumeInfo } from './describe.ts'
import type { NodeParts } from './parts.ts'
import { definedOf } from './tiers.ts'

export function recoveryApi(parts: NodeParts): RecoveryApi {
  const { world, volumes, hosted: hosts, cold, until } = parts
  return {
    async exportRecoveryKey({ volume, signal } = {}): Promise<ExportedKey> {
      const named = await hosts.findOrCreate(volume)
      const key = await volumes.makeRecoveryKey(named.volume)
      const hosted = hosts.of(named)
      const tiers: string[] = []
      const failures: { readonly tier: string; readonly message: string }[] = []
      for (const tier of hosted.tiers.names()) {
        try {
          await cold.of(hosted).backUp(tier, until(signal))
          tiers.push(tier)
        } catch (error) {
          failures.push({ tier, message: asShoalError(error).message })
        }
      }
      return { name: key.name, volume: named.name, text: formatRecoveryKey(key), tiers, failures }
    },

    async recover({ url, key: text, atLeastNumber, atLeastMs, ...options }, { signal } = {}) {
      const ended = until(signal)
      const key = parseRecoveryKey(text)
      const location = parseTierLocation(url, definedOf(options))
      const tier = world.tiers.open(location, { name: url })
      try {
        const source = await BackupSource.open(tier, { key, clock: world.clock }, ended)
        const isAsked = atLeastNumber !== undefined || atLeastMs !== undefined
        const least = { number: atLeastNumber ?? 0, time: atLeastMs ?? 0 }
        const admit = world.network.self
        const { made, backup } = await source.use(isAsked ? least : undefined, (namespace) =>
          hosts.recover(key.genesis, identityFromSeed(key.seed), (volume) =>
            refill({ volume, world }, namespace, { admit, signal: ended }),
          ),
        )
        await hosts.of(made).tiers.found(backup.head.tier, location)
        const used = usedBackup(source, backup, made.volume)
        return { ...describeVolumeInfo(parts, made), backup: used }
      } finally {
        await tier.close()
      }
    },
  }
}

function usedBackup(
  { skipped }: BackupSource,
  { head }: FoundBackup,
  { membership }: Volume,
): UsedBackup {
  const { number, time: timeMs, author } = head
  return {
    number,
    timeMs,
    author: membership.nameOf(author),
    skipped: skipped.map(({ key, why }) => ({ key, why })),
  }
}
