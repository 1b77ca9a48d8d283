// The owner's calls about pins.
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import type { Pin, PinsApi } from '../control/pins.ts'
import type { HostedPath } from '../files/hosted-volumes.ts'
import { formatPath, parsePath, pathOf } from '../files/paths.ts'
import { pinOf, pins } from '../namespace/pins.ts'
import type { NodeParts } from './parts.ts'

export function pinsApi({ hosted: volumes, upkeep, volumes: named, until }: NodeParts): PinsApi {
  const set = async (
    { hosted, parts }: HostedPath,
    cls: string,
    check: (id: NodeId) => void,
    signal: AbortSignal,
  ): Promise<void> => {
    const { namespace, volume } = hosted
    const target = namespace.resolvePath(parts)
    await hosted.changing(signal)(() => {
      check(target.id)
      volume.submit({ kind: 'pin', id: target.id, class: cls })
    })
    await volume.commit()
    upkeep.repin(hosted, target)
  }
  return {
    async addPin(path, { class: text }, { signal } = {}) {
      const cls = parseClass(text)
      if (cls.kind === 'local')
        throw new ShoalError('usage', 'class local is for whole volumes: a pin must ask for copies')
      const place = await volumes.atForWriting(path)
      await set(place, formatClass(cls), () => undefined, until(signal))
      return { path: shownPath(path), kind: 'class', class: formatClass(cls) }
    },

    async *addLocalPin(path, { signal } = {}) {
      const { hosted, parts } = volumes.at(path)
      const { id } = hosted.namespace.resolvePath(parts)
      for await (const kept of upkeep.keeper(hosted).keep(id, until(signal))) yield [kept]
    },

    async removePin(path, { signal } = {}) {
      const { hosted, parts } = volumes.at(path)
      const { id } = hosted.namespace.resolvePath(parts)
      const keeper = upkeep.keeper(hosted)
      const isLocal = keeper.isPinned(id)
      if (isLocal) await keeper.letGo(id)
      if (isLocal && pinOf(hosted.volume.view, id) === undefined) return
      const check = (id: NodeId): void => {
        if (pinOf(hosted.volume.view, id) === undefined)
          throw new ShoalError('ENOENT', `${shownPath(path)}: is not pinned; see shoal pin ls`)
      }
      await set(await volumes.atForWriting(path), '', check, until(signal))
    },

    async listPins({ volume, signal } = {}) {
      const ended = until(signal)
      const hosted = volumes.of(named.find(volume))
      hosted.checkMayRead()
      const prefix = volume === undefined ? '' : `${volume}:`
      const all: Pin[] = []
      for await (const { id, class: cls } of pins(hosted.volume.view)) {
        ended.throwIfAborted()
        const path = pathOf(hosted.namespace, id)
        if (path !== undefined) all.push({ path: prefix + path, kind: 'class', class: cls })
      }
      for (const { id, failure, ...kept } of await upkeep.keeper(hosted).list(ended)) {
        const path = pathOf(hosted.namespace, id)
        if (path === undefined) continue
        const why = failure && { failure: { code: failure.code, message: failure.message } }
        all.push({ path: prefix + path, kind: 'local', ...kept, ...why })
      }
      return all.sort((a, b) => (a.path < b.path ? -1 : 1))
    },
  }
}

function shownPath(path: string): string {
  const { volume, parts } = parsePath(path)
  return (volume === undefined ? '' : `${volume}:`) + formatPath(parts)
}
