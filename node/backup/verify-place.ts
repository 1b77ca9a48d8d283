// Looks through a backup place: whether each pack is there, some or all of their bytes, and whether
// every file of every backup is whole. Writes nothing.
import { equalBytes } from '../../protocol/bytes.ts'
import { DIGEST_BYTES, isPackStart } from '../../protocol/backup/pack.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { inParallel } from '../stripes/in-parallel.ts'
import type { Random } from '../world/world.ts'
import { BackupWalk } from './backup-walk.ts'
import type { KnownPack } from './chunk-index.ts'
import type { PlaceProblem, Repository } from './repository.ts'

/** Packs read at a time: all of each is in memory. */
const READS = 3

export interface VerifyListener {
  readonly onProblem: (problem: PlaceProblem) => void
  readonly onProgress: (doneBytes: number, totalBytes: number) => void
}

export interface VerifiedPlace {
  readonly backups: number
  readonly packs: number
  readonly bytes: number
  readonly readPacks: number
  readonly readBytes: number
}

export interface VerifyPlaceOptions {
  /** Part of the packs that are read whole, from 0 to 1, chosen by chance. */
  readonly sample: number
  readonly random: Pick<Random, 'number'>
  readonly signal: AbortSignal
}

/** throws ShoalError 'cold-*' where the place does not answer. */
export async function verifyPlace(
  repository: Repository,
  listener: VerifyListener,
  { sample, random, signal }: VerifyPlaceOptions,
): Promise<VerifiedPlace> {
  for (const problem of repository.problems) listener.onProblem(problem)
  const packs = repository.index.packs().filter((pack) => repository.isThere(pack))
  const chosen = choose(packs, sample, random)
  const totalBytes = chosen.reduce((sum, { bytes }) => sum + bytes, 0)
  let readBytes = 0
  await inParallel(chosen.values(), READS, async (pack) => {
    const why = await faultOf(repository, pack, signal)
    readBytes += pack.bytes
    listener.onProgress(readBytes, totalBytes)
    if (why === undefined) return
    repository.lost(pack)
    listener.onProblem({ what: `pack ${pack.id}`, why })
  })
  for (const backup of repository.backups) {
    const walk = new BackupWalk(
      repository,
      {
        onProblem: (path, error) =>
          listener.onProblem({
            what: `backup ${backup.id.slice(0, 8)}: ${path}`,
            why: error.message,
          }),
      },
      signal,
    )
    await walk.walk(backup)
  }
  const bytes = packs.reduce((sum, pack) => sum + pack.bytes, 0)
  const { length: backups } = repository.backups
  return { backups, packs: packs.length, bytes, readPacks: chosen.length, readBytes }
}

function choose(
  packs: readonly KnownPack[],
  share: number,
  random: Pick<Random, 'number'>,
): readonly KnownPack[] {
  if (share >= 1) return packs
  const count = Math.ceil(share * packs.length)
  const left = [...packs]
  return Array.from({ length: count }, () => {
    const [pack] = left.splice(Math.floor(random.number() * left.length), 1)
    return pack
  }).filter((pack) => pack !== undefined)
}

/** Undefined: each of its chunks is what the index says. */
async function faultOf(
  { index, place }: Repository,
  pack: KnownPack,
  signal: AbortSignal,
): Promise<string | undefined> {
  let all: Uint8Array
  try {
    all = await place.readPack(pack.id, 0, pack.bytes, { signal })
    await place.readDirectory(pack.id, pack.bytes, { signal })
  } catch (error) {
    signal.throwIfAborted()
    const { code, message } = asShoalError(error)
    if (code.startsWith('cold-') && code !== 'cold-missing' && code !== 'cold-corrupt') throw error
    return message
  }
  if (!isPackStart(all)) return 'does not begin as a pack'
  for (let entry = pack.first; entry < pack.first + pack.count; entry++) {
    const { digest, offset, length } = index.entry(entry)
    const hash = blake3(all.subarray(offset, offset + length))
    if (!equalBytes(hash.subarray(0, DIGEST_BYTES), digest)) return 'is damaged'
  }
  return undefined
}
