// Opens a backup place with its key alone: no home and no running node is needed.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backupKeys, parseBackupKey } from '../../protocol/backup/key.ts'
import { checkAccess } from '../../protocol/cold/access-key.ts'
import type { TierAccess } from '../../protocol/cold/access-key.ts'
import { parseTierLocation } from '../../protocol/cold/location.ts'
import { SystemClock } from '../world/clock.ts'
import { SystemRandom } from '../world/random.ts'
import { SystemTiers } from '../world/tiers/tiers.ts'
import type { Random, Tiers } from '../world/world.ts'
import { BackupPlace } from './place.ts'

/** The place of backups, and how to get in. */
export interface PlaceAddress extends TierAccess {
  readonly url: string
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly storageClass?: string | undefined
  readonly bytesPerSecond?: number | undefined
}

export interface OpenedPlace extends AsyncDisposable {
  readonly place: BackupPlace
  /** Resolves if it answers, lets us in, is there, and takes, gives and removes an object. */
  check(signal: AbortSignal): Promise<void>
}

/** key: its text. throws ShoalError 'malformed', 'usage'. */
export function openPlace(address: PlaceAddress, key: string): OpenedPlace {
  const [clock, random] = [new SystemClock(), new SystemRandom()]
  const tiers = new SystemTiers({ clock, random }, { spoolFolder: join(tmpdir(), 'shoal-spool') })
  return placeIn({ tiers, random }, address, parseBackupKey(key))
}

export function placeIn(
  { tiers, random }: { readonly tiers: Tiers; readonly random: Random },
  address: PlaceAddress,
  secret: Uint8Array,
): OpenedPlace {
  const { accessKey, profile, bytesPerSecond, url, endpoint, region, storageClass } = address
  const location = parseTierLocation(url, {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(storageClass !== undefined && { storageClass }),
  })
  const access = { accessKey, profile }
  checkAccess(location, access)
  const limit = bytesPerSecond === undefined ? {} : { bytesPerSecond }
  const tier = tiers.open(location, { name: url, access, ...limit })
  const place = new BackupPlace({ tier, keys: backupKeys(secret), random })
  const check = (signal: AbortSignal): Promise<void> => tier.check({ signal })
  return { place, check, [Symbol.asyncDispose]: () => tier.close() }
}
