// The owner's calls for the day when all machines are gone.
import { checkAccess } from '../../protocol/cold/access-key.ts'
import type { TierAccess } from '../../protocol/cold/access-key.ts'
import { parseTierLocation } from '../../protocol/cold/location.ts'
import type { TierLocation } from '../../protocol/cold/location.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { decodeGenesis } from '../../protocol/membership/genesis.ts'
import { formatRecoveryKey, parseRecoveryKey } from '../../protocol/membership/recovery-key.ts'
import type { RecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import type { ExportedKey, RecoverRequest, RecoveryApi, UsedBackup } from '../control/recovery.ts'
import { restoreNamespace } from '../checkpoint/restore.ts'
import { BackupSource } from '../cold/backup-source.ts'
import type { FoundBackup, LeastBackup } from '../cold/backup-source.ts'
import { lookThrough } from '../cold/recovery-drill.ts'
import { describeVolumeInfo } from './describe.ts'
import type { NodeParts } from './parts.ts'
import { definedOf } from './tiers.ts'

/** Files that a drill reads unless the call says. */
const SAMPLE = 20

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

    recover: (request, { signal } = {}) =>
      fromTier(parts, request, until(signal), async ({ key, place, source, least }, ended) => {
        const admit = world.network.self
        const { made, backup } = await source.use(least, (namespace) =>
          hosts.recover(key.genesis, identityFromSeed(key.seed), (volume) =>
            restoreNamespace({ volume, world }, namespace, { admit, signal: ended }),
          ),
        )
        await hosts.of(made).tiers.found(backup.head.tier, place.location, place.access)
        const author = made.volume.membership.nameOf(backup.head.author)
        return { ...describeVolumeInfo(parts, made), backup: usedBackup(source, backup, author) }
      }),

    rehearseRecovery: ({ sample = SAMPLE, ...request }, { signal } = {}) =>
      fromTier(parts, request, until(signal), async ({ key, place, source, least }, ended) => {
        const { random } = world
        const { made, backup } = await source.use(least, (namespace, { head }) =>
          hosts.rehearse(key.genesis, identityFromSeed(key.seed), {
            fill: (volume) =>
              restoreNamespace({ volume, world }, namespace, { admit: undefined, signal: ended }),
            use: async (hosted) => {
              await hosted.tiers.found(head.tier, place.location, place.access)
              const found = await lookThrough(hosted, { random, sample }, ended)
              return { found, author: hosted.volume.membership.nameOf(head.author) }
            },
          }),
        )
        const { name: volume } = decodeGenesis(key.genesis)
        return { volume, backup: usedBackup(source, backup, made.author), ...made.found }
      }),
  }
}

interface Found {
  readonly key: RecoveryKey
  readonly place: { readonly location: TierLocation; readonly access: TierAccess }
  readonly source: BackupSource
  readonly least: LeastBackup | undefined
}

/** Do something with the backups that a tier has. */
async function fromTier<Result>(
  { world }: NodeParts,
  {
    url,
    key: text,
    atLeastNumber,
    atLeastMs,
    asOfMs,
    accessKey,
    profile,
    ...options
  }: RecoverRequest,
  signal: AbortSignal,
  run: (found: Found, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const key = parseRecoveryKey(text)
  const location = parseTierLocation(url, definedOf(options))
  const access = { accessKey, profile }
  checkAccess(location, access)
  const tier = world.tiers.open(location, { name: url, access })
  try {
    if (asOfMs !== undefined) await tier.rollBack(asOfMs, { signal })
    const source = await BackupSource.open(tier, { key, clock: world.clock }, signal)
    const isAsked = atLeastNumber !== undefined || atLeastMs !== undefined
    const least = isAsked ? { number: atLeastNumber ?? 0, time: atLeastMs ?? 0 } : undefined
    return await run({ key, place: { location, access }, source, least }, signal)
  } finally {
    await tier.close()
  }
}

function usedBackup({ skipped }: BackupSource, { head }: FoundBackup, author: string): UsedBackup {
  const { number, time: timeMs } = head
  return { number, timeMs, author, skipped: skipped.map(({ key, why }) => ({ key, why })) }
}
