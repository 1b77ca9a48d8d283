// Counts how much of the data pinned to a class or to a cold tier is where it is to be. It is
// counted when it is asked for, in memory bounded by the files that have several names, and not
// again as long as the log says nothing new: all of it follows from that. Nothing is fetched from a
// tier to count: a file whose list of chunks only a tier has counts as the list does.
import { extentLength } from '../../protocol/chunk/manifest.ts'
import { equalVectors } from '../../protocol/clock/vector-clock.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { parseClass } from '../../protocol/placement/redundancy.ts'
import { readDir, readInode } from '../../protocol/tree/records.ts'
import { MIB } from '../../protocol/units.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ChunkId, NodeId } from '../../protocol/ids.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { versionsOf } from '../../protocol/tree/versions.ts'
import type { PinProgress, PinsCounted } from '../control/pins.ts'
import { pins, pinsOfFile } from '../state/pins.ts'
import type { Pin } from '../state/pins.ts'
import { walk } from '../content/manifest-walk.ts'
import type { PlacedExtent } from '../content/manifest-tree.ts'
import { isListed } from '../shard-map/stripe-map.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { Clock } from '../world/world.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { Walk } from '../volume/file-walk.ts'

/** Progress is told after so many bytes. */
const TELL_BYTES: number = 64 * MIB

export interface PinFigure extends Pin, PinProgress {}

export interface PinFiguresParts {
  readonly hosted: Pick<HostedVolume, 'namespace' | 'map' | 'chunks' | 'fetcher'>
  readonly clock: Clock
}

export class PinFigures {
  readonly #parts: PinFiguresParts
  #counted: { readonly at: VersionVector; readonly figures: readonly PinFigure[] } | undefined

  constructor(parts: PinFiguresParts) {
    this.#parts = parts
  }

  /**
   * Counts all pins in the log, by their ids. Tells how far it is. cost: O(chunks below), none
   * where nothing is new.
   */
  async *count(
    signal: AbortSignal,
  ): AsyncGenerator<readonly PinsCounted[], readonly PinFigure[], undefined> {
    const { volume } = this.#parts.hosted.namespace
    await volume.commit()
    const at = volume.actors.vector()
    if (this.#counted !== undefined && equalVectors(at, this.#counted.at))
      return this.#counted.figures
    const all: Pin[] = []
    for await (const pin of pins(volume.view)) all.push(pin)
    const counts = all.map((pin) => new Count(this.#parts, pin, signal))
    for (const count of counts) await count.sizes()
    const totalBytes = counts.reduce((sum, { wantedBytes }) => sum + wantedBytes, 0)
    let doneBytes = 0
    let toldBytes = 0
    for (const count of counts) {
      for await (const bytes of count.run()) {
        doneBytes += bytes
        if (doneBytes - toldBytes < TELL_BYTES) continue
        toldBytes = doneBytes
        yield [{ kind: 'counted', doneBytes, totalBytes }]
      }
    }
    const figures = counts.map(({ pin, wantedBytes, actualBytes }) => {
      return { ...pin, wantedBytes, actualBytes }
    })
    this.#counted = { at, figures }
    return figures
  }
}

/** The count of one pin. */
class Count {
  readonly pin: Pin
  wantedBytes = 0
  actualBytes = 0
  readonly #parts: PinFiguresParts
  readonly #signal: AbortSignal
  readonly #walk: Walk
  /** Is a chunk where it is to be? */
  readonly #isThere: (chunk: ChunkId) => boolean

  constructor(parts: PinFiguresParts, pin: Pin, signal: AbortSignal) {
    this.pin = pin
    this.#parts = parts
    this.#signal = signal
    const { namespace, map, chunks } = parts.hosted
    this.#walk = new Walk({ namespace, reader: chunks.reader([]), clock: parts.clock }, signal)
    const { kind, to } = pin
    const cls = kind === 'pin' ? parseClass(to) : undefined
    this.#isThere = (chunk) => (kind === 'pin' ? isListed(map, chunk, cls) : liesIn(map, chunk, to))
  }

  /** How much there is. */
  async sizes(): Promise<void> {
    for await (const versions of this.#files())
      this.wantedBytes += versions.reduce((sum, { size }) => sum + size, 0)
  }

  /** Look at all of it; tells of bytes that were looked at. */
  async *run(): AsyncGenerator<number, void, undefined> {
    for await (const versions of this.#files())
      for (const version of versions) yield* this.#version(version)
  }

  /** The versions of each file of which this pin is the nearest. */
  async *#files(): AsyncGenerator<readonly Version[], void, undefined> {
    const { view } = this.#parts.hosted.namespace.volume
    const { id, kind } = this.pin
    const seen = new Set<NodeId>()
    const target = readDir(view, id) === undefined ? 'inode' : 'dir'
    for await (const file of this.#walk.filesBelow({ kind: target, id })) {
      const inode = readInode(view, file)
      if (inode === undefined || seen.has(file)) continue
      if (inode.links.length > 1) seen.add(file)
      if (pinsOfFile(view, file, kind).some((pin) => pin?.id === id))
        yield [...versionsOf(view, file, inode)]
    }
  }

  async *#version(version: Version): AsyncGenerator<number, void, undefined> {
    const { content, size } = version
    const tree = this.#walk.treeOf(version)
    let left = size
    if (tree !== undefined && content.kind === 'chunks' && this.#isAtHand(content.root.id)) {
      const steps = walk(tree, { signal: this.#signal })
      let there = 0
      try {
        let step = await steps.next()
        for (; step.done !== true; step = await steps.next()) {
          if (step.value.kind === 'node') continue
          const { extents } = step.value
          const weight = (step.value.weight = this.#bytesThere(extents))
          const bytes = lengthOf(extents)
          there += weight
          left -= bytes
          yield bytes
        }
        this.actualBytes += step.value
        return yield left
      } catch (error) {
        this.#signal.throwIfAborted()
        if (asShoalError(error).code === 'internal') throw error
        this.actualBytes += there
      }
    }
    // Content in the log itself is everywhere.
    if (content.kind !== 'chunks' || this.#isThere(content.root.id)) this.actualBytes += left
    yield left
  }

  #bytesThere(extents: readonly PlacedExtent[]): number {
    return lengthOf(
      extents.filter(({ extent }) => extent.kind === 'hole' || this.#isThere(extent.ref.id)),
    )
  }

  /** Can a chunk be had without asking a tier? */
  #isAtHand(chunk: ChunkId): boolean {
    const state = this.#parts.hosted.fetcher.stateOf(chunk)
    return state === 'local' || state === 'placed'
  }
}

function lengthOf(extents: readonly PlacedExtent[]): number {
  return extents.reduce((sum, { extent }) => sum + extentLength(extent), 0)
}

/** Is a chunk in a stripe that lies in a tier? */
export function liesIn(
  map: Pick<StripeMap, 'locations' | 'stripe'>,
  chunk: ChunkId,
  tier: string,
): boolean {
  const at = map.locations(chunk)[0]?.stripe
  return at !== undefined && map.stripe(at)?.cold.some((copy) => copy.tier === tier) === true
}
