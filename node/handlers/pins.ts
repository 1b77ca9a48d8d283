// The owner's calls about pins.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import type { Pin, PinsApi, RemovedPin } from '../control/pins.ts'
import type { HostedPath } from '../volume/hosted-volumes.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { formatPath, parsePath, pathOf } from '../volume/paths.ts'
import { PinFigures } from '../pinning/pin-figures.ts'
import type { PinFigure } from '../pinning/pin-figures.ts'
import { pinOf } from '../state/pins.ts'
import type { PinOp } from '../state/pins.ts'
import type { LocalPin as KeptPin } from '../pinning/local-pinning.ts'
import type { NodeParts } from './parts.ts'
import { reasonOf } from './describe.ts'

export function pinsApi(parts: NodeParts): PinsApi {
  const { world, hosted: volumes, upkeep, volumes: named, until } = parts
  const { clock } = world
  const figures = new WeakMap<HostedVolume, PinFigures>()
  return {
    async addPin(path, { class: text }, { signal } = {}) {
      const cls = parseClass(text)
      if (cls.kind === 'local')
        throw new ShoalError(
          'usage',
          'class local is for whole volumes; pin to a class with copies',
        )
      const place = await volumes.atForWriting(path)
      const pinned = { path: shownPath(path), kind: 'class', class: formatClass(cls) } as const
      await say(place, (id) => [{ kind: 'pin', id, class: pinned.class }], until(signal))
      upkeep.repin(place.hosted, place.hosted.namespace.resolvePath(place.parts))
      return pinned
    },

    async addColdPin(path, tier, { signal } = {}) {
      const place = await volumes.atForWriting(path)
      checkIsThere(place.hosted, tier)
      await say(place, (id) => [{ kind: 'pin-cold', id, tier }], until(signal))
      return { path: shownPath(path), kind: 'cold', tier }
    },

    async *addLocalPin(path, { signal } = {}) {
      const { hosted, parts: names } = volumes.at(path)
      const { id } = hosted.namespace.resolvePath(names)
      for await (const kept of upkeep.localPinning(hosted).keep(id, until(signal))) yield [kept]
    },

    async removePin(path, { signal } = {}) {
      const { hosted, parts: names } = volumes.at(path)
      const target = hosted.namespace.resolvePath(names)
      const localPinning = upkeep.localPinning(hosted)
      const isLocal = localPinning.isPinned(target.id)
      if (isLocal) await localPinning.letGo(target.id)
      const local: readonly RemovedPin[] = isLocal ? [{ kind: 'local' }] : []
      const said = saidOf(hosted, target.id)
      const removed = [...removedBy(hosted, target.id), ...local]
      if (said.length === 0 && isLocal) return removed
      if (said.length === 0)
        throw new ShoalError('ENOENT', `${shownPath(path)}: is not pinned; see "shoal pin ls"`)
      await say(await volumes.atForWriting(path), (id) => saidOf(hosted, id), until(signal))
      if (said.some(({ kind }) => kind === 'pin')) upkeep.repin(hosted, target)
      return removed
    },

    async *listPins({ volume, signal } = {}) {
      const ended = until(signal)
      const hosted = volumes.of(named.find(volume))
      hosted.checkMayRead()
      const known = figures.get(hosted) ?? new PinFigures({ hosted, clock })
      figures.set(hosted, known)
      const counted = yield* known.count(ended)
      const local = await upkeep.localPinning(hosted).list(ended)
      const shown = [
        ...counted.map((pin) => [pin.id, volumePin(parts, hosted, pin)] as const),
        ...local.map((pin) => [pin.id, localPin(pin)] as const),
      ].flatMap(([id, pin]) => {
        const path = pathOf(hosted.namespace, id)
        if (path === undefined) return []
        const shown = volume === undefined ? hosted.namespace.shownPath(path) : `${volume}:${path}`
        return { path: shown, ...pin }
      })
      yield shown.sort((a, b) => Number(a.path > b.path) - Number(a.path < b.path))
    },
  }
}

/** A pin, without where it is. */
type Pathless<Each> = Each extends Pin ? Omit<Each, 'path'> : never

function volumePin(parts: NodeParts, hosted: HostedVolume, pin: PinFigure): Pathless<Pin> {
  const { kind, to, wantedBytes, actualBytes } = pin
  const figures = { wantedBytes, actualBytes }
  if (kind === 'pin') return { kind: 'class', class: to, ...figures }
  const failure = actualBytes < wantedBytes ? failureOf(parts, hosted, to) : undefined
  return { kind: 'cold', tier: to, ...figures, ...reasonOf(failure) }
}

function localPin({ wantedBytes, actualBytes, failure }: KeptPin): Pathless<Pin> {
  return { kind: 'local', wantedBytes, actualBytes, ...reasonOf(failure) }
}

/** Log what is to be said of what is at a place, durably. */
async function say(
  { hosted, parts }: HostedPath,
  ops: (id: NodeId) => readonly PinOp[],
  signal: AbortSignal,
): Promise<void> {
  const { namespace, volume } = hosted
  const { id } = namespace.resolvePath(parts)
  await hosted.changing(signal)(() => {
    for (const op of ops(id)) volume.submit(op)
  })
  await volume.commit()
}

/** The ops that remove the pins of a folder or a file from the log. */
function saidOf({ volume: { view } }: HostedVolume, id: NodeId): readonly PinOp[] {
  const ops: PinOp[] = [
    { kind: 'pin', id, class: '' },
    { kind: 'pin-cold', id, tier: '' },
  ]
  return ops.filter(({ kind }) => pinOf(view, id, kind) !== undefined)
}

/** The pins in the log of a folder or a file. */
function removedBy({ volume: { view } }: HostedVolume, id: NodeId): readonly RemovedPin[] {
  const [cls, tier] = [pinOf(view, id, 'pin'), pinOf(view, id, 'pin-cold')]
  return [
    ...(cls === undefined ? [] : [{ kind: 'class', class: cls.to } as const]),
    ...(tier === undefined ? [] : [{ kind: 'cold', tier: tier.to } as const]),
  ]
}

/** throws ShoalError 'ENOENT' for a tier that the volume does not have. */
function checkIsThere({ tiers }: HostedVolume, tier: string): void {
  const names = tiers.names()
  if (names.includes(tier)) return
  throw new ShoalError(
    'ENOENT',
    names.length === 0
      ? `the volume has no cold tier: shoal cold add ${tier} URL makes one`
      : `the volume has no cold tier ${tier}, only ${names.join(', ')}`,
  )
}

/** Why something does not go into a tier. */
function failureOf(
  { cold }: NodeParts,
  hosted: HostedVolume,
  tier: string,
): ShoalError | undefined {
  try {
    checkIsThere(hosted, tier)
    return cold.of(hosted).failureOf(tier)
  } catch (error) {
    return asShoalError(error)
  }
}

function shownPath(path: string): string {
  const { volume, parts } = parsePath(path)
  return (volume === undefined ? '' : `${volume}:`) + formatPath(parts)
}
