// The owner's calls for the day when all machines are gone.
import { parseTierLocation } from '../../protocol/cold/location.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { ExportedKey, RecoveryApi } from '../control/recovery.ts'
import { refill } from '../namespace/refill.ts'
import { findBackup } from '../tier/backup-source.ts'
import { describeVolumeInfo } from './describe.ts'
import type { NodeParts } from './parts.ts'

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

    async recover({ url, key: text, ...options }, { signal } = {}) {
      const ended = until(signal)
      const key = parseRecoveryKey(text)
      const given = Object.entries(options).filter(([, value]) => value !== undefined)
      const location = parseTierLocation(url, Object.fromEntries(given))
      const tier = world.tiers.open(location, { name: url })
      try {
        const { tierName, source } = await findBackup(tier, key, ended)
        const admit = world.network.self
        const named = await hosts.recover(key.genesis, identityFromSeed(key.seed), (volume) =>
          refill({ volume, world }, source, { admit, signal: ended }),
        )
        await hosts.of(named).tiers.found(tierName, location)
        return describeVolumeInfo(parts, named)
      } finally {
        await tier.close()
      }
    },
  }
}
