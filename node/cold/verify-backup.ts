// Is the namespace of a volume in a tier as this node has it? All heads are read, and all that the
// newest names.
import { logPrefix, nodesPrefix } from '../../protocol/cold/backup.ts'
import { headKey } from '../../protocol/cold/head.ts'
import { asShoalError } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { VerifyProblem, VerifiedBackup } from '../control/cold.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { World } from '../world/world.ts'
import { compareHead, isRightPart, snapshotOf } from './backup-compare.ts'
import { BackupHeads } from './backup-heads.ts'
import type { Look } from './backup-heads.ts'
import type { BackupLogParts } from './backup-log.ts'
import { BackupObjects } from './backup-objects.ts'

export interface VerifyParts {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly hosted: HostedVolume
  /** Name of the tier. */
  readonly tier: string
}

/** throws ShoalError 'cold-*' where the tier fails. */
export async function* verifyBackup(
  { world, hosted, tier: name }: VerifyParts,
  signal: AbortSignal,
): AsyncGenerator<VerifyProblem, VerifiedBackup, undefined> {
  const { volume, tiers } = hosted
  const objects = new BackupObjects({ tier: tiers.open(name), name, volume: volume.id }, signal)
  const found: VerifyProblem[] = []
  const heads = new BackupHeads({
    volume,
    clock: world.clock,
    log: () => undefined,
    security: ({ message }) => found.push({ kind: 'problem', tier: name, what: message }),
  })
  const once = { readMax: Infinity, looksSure: 1 }
  const look = await heads.look(objects, tiers.agreedMs(name), once)
  yield* found
  yield* chainProblems(name, look)
  const [newest] = look.heads
  const count = { heads: look.heads.length, stored: look.stored.length }
  if (newest === undefined) {
    yield { kind: 'problem', tier: name, what: `cold tier ${name} has no backup of the namespace` }
    return count
  }
  const { number, time: timeMs, author } = newest.head
  const head = await objects.readHead(newest.id, heads.keys())
  const parts: BackupLogParts = { objects, volume, world, signal }
  const finding = await compareHead(parts, head, snapshotOf(volume), undefined)
  if (finding === 'wrong') {
    const what = `cold tier ${name}: ${headKey(volume.id, newest.id)} contradicts the state of this node`
    yield { kind: 'problem', tier: name, what }
  }
  if (finding === 'damaged' || finding === 'unknown') yield* partProblems(name, head, parts)
  const told = { number, timeMs, author: volume.membership.nameOf(author) }
  const partCount = head.nodes.length + head.governing.length + head.log.length
  return { ...count, ...told, parts: partCount, isCompared: finding === 'right' }
}

/** Problems between each head and the one before: numbers grow. */
function* chainProblems(tier: string, { heads }: Look): Generator<VerifyProblem> {
  const known = new Map(heads.map(({ id, head }) => [id, head]))
  for (const { head } of heads) {
    const before = head.before === undefined ? undefined : known.get(head.before)
    if (before === undefined || before.number < head.number) continue
    const what = `cold tier ${tier}: backup ${head.number} says that it comes after backup ${before.number}`
    yield { kind: 'problem', tier, what }
  }
}

async function* partProblems(
  tier: string,
  { nodes, governing, log }: Awaited<ReturnType<BackupObjects['readHead']>>,
  parts: BackupLogParts,
): AsyncGenerator<VerifyProblem> {
  const { objects, volume, signal } = parts
  const problem = (why: string): VerifyProblem => ({ kind: 'problem', tier, what: why })
  for (const part of nodes) {
    const key = nodesPrefix(volume.id) + part.id
    if (!(await isRightPart(parts, part)))
      yield problem(`cold tier ${tier}: ${key} is missing or damaged`)
  }
  for (const part of [...governing, ...log]) {
    const failure = await failureOf(objects.readPart(logPrefix(volume.id), part), signal)
    if (failure !== undefined) yield problem(`cold tier ${tier}: ${failure.message}`)
  }
}

async function failureOf(
  reading: Promise<unknown>,
  signal: AbortSignal,
): Promise<ShoalError | undefined> {
  try {
    await reading
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return asShoalError(error)
  }
}
