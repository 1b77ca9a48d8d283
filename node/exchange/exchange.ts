// CAR files out of the namespace and into it. An export is looked at twice, first for its root
// alone, which the header names; or once, where whoever takes it can write to its start when it has
// ended. An import is taken in, checked block by block, looked at as a whole, made beside its
// place, and moved there; what fails leaves nothing.
import { CODEC_DAG_CBOR } from '../../protocol/ids.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { CarFile } from './car-file.ts'
import { CarWriter, NO_BLOCKS } from './car-writer.ts'
import { emitted } from './emitted.ts'
import { ExportTally } from './export-tally.ts'
import { ImportPlace } from './import-place.ts'
import { exportSealed } from './sealed-export.ts'
import { openSealed } from './sealed-import.ts'
import { exportUnixfs } from './unixfs-export.ts'
import { openUnixfs } from './unixfs-tree.ts'
import type { Cid } from '../../protocol/car/car.ts'
import type { ExportOptions, ImportEvent } from '../control/exchange.ts'
import type { Change } from '../volume/files.ts'
import {
  UNFINISHED_FOLDER,
  checkFree,
  freshPlaceId,
  takeBackLeftovers,
} from '../clones/hidden-place.ts'
import type { HostedPath, HostedVolumes } from '../volume/hosted-volumes.ts'
import type { World } from '../world/world.ts'
import type { BlockSink } from './car-writer.ts'
import type { IncomingCar } from './car-file.ts'
import type { Making } from './import-place.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** So often it is told how far an import is. */
const TELL_EVERY_MS = 250

export interface ExchangeParts {
  readonly world: World
  readonly hosted: HostedVolumes
  readonly log: WriteLog
}

export interface ImportTarget extends HostedPath {
  readonly change: Change
  /** As ImportOptions has it. */
  readonly preserve: boolean
}

export class Exchange {
  readonly #parts: ExchangeParts

  constructor(parts: ExchangeParts) {
    this.#parts = parts
  }

  /** Take back what the last run left. signal: that of the node. */
  async start(signal: AbortSignal): Promise<void> {
    const { world, hosted, log } = this.#parts
    const onFailure = (error: unknown): void =>
      log('exchange.not-taken-back', {
        error: String(error),
      })
    await takeBackLeftovers(world.disk, (volume) => hosted.get(volume), onFailure, signal)
  }

  /** A CAR of what is at a path. throws as ExchangeApi says. */
  export(at: HostedPath, options: ExportOptions, until: AbortSignal): AsyncGenerator<Uint8Array> {
    return emitted(async (emit, left) => {
      const signal = AbortSignal.any([until, left])
      const before = options.rootLater
        ? undefined
        : await this.#run(at, options, NO_BLOCKS, new ExportTally(), signal)
      const writer = new CarWriter(emit)
      const tally = new ExportTally()
      await writer.begin(before)
      const root = await this.#run(at, options, writer, tally, signal)
      if (before !== undefined && !before.equals(root)) {
        throw new ShoalError(
          'ESTALE',
          'the content changed during the export; export to a file, or try again when nobody writes to it',
        )
      }
      await writer.end()
      options.onExported?.({ root: String(root), ...tally.counts() })
    })
  }

  /** Make what an archive holds. throws as ExchangeApi says. until: the call; kept: the node. */
  async *import(
    target: ImportTarget,
    incoming: IncomingCar,
    { until, kept }: { readonly until: AbortSignal; readonly kept: AbortSignal },
  ): AsyncGenerator<readonly ImportEvent[]> {
    const { world } = this.#parts
    const { disk } = world
    const { hosted, parts: dest, change, preserve } = target
    checkFree(hosted, dest)
    await disk.makeFolder(UNFINISHED_FOLDER)
    const id = freshPlaceId(world)
    const car = await CarFile.take(disk, `${UNFINISHED_FOLDER}/${id}.car`, incoming, until)
    try {
      const root = onlyRoot(car)
      const sealed = root.code === CODEC_DAG_CBOR
      const making = await (sealed
        ? openSealed(car, root, (volume) => this.#parts.hosted.get(volume), until)
        : openUnixfs(car, root, until))
      yield [{ kind: 'verified', root: String(root), sealed, ...making.total }]
      const place = await ImportPlace.open(
        { disk, hosted, dest, change, preserve, signal: until },
        id,
      )
      let isFinished = false
      try {
        yield* this.#make(making, place)
        await place.finish()
        isFinished = true
      } finally {
        if (!isFinished) await this.#takeBack(place, kept)
      }
      yield [{ kind: 'done', root: String(root), ...place.made }]
    } finally {
      await car.close()
    }
  }

  #run(
    { hosted, parts: path }: HostedPath,
    { sealed, attributes }: ExportOptions,
    blocks: BlockSink,
    tally: ExportTally,
    signal: AbortSignal,
  ): Promise<Cid> {
    const withContent = blocks !== NO_BLOCKS
    if (sealed) return exportSealed({ hosted, blocks, withContent, tally, signal }, path)
    const { files } = hosted
    return exportUnixfs({ files, blocks, tally, withAttributes: attributes === true, signal }, path)
  }

  /** Make all, and tell now and then how far it is. */
  async *#make(making: Making, place: ImportPlace): AsyncGenerator<readonly ImportEvent[]> {
    const { clock } = this.#parts.world
    let isOver = false
    const made = making.make(place).finally(() => (isOver = true))
    // It is awaited at the end, or before what was made is taken back.
    void ignoreFailure(made, 'it is thrown where it is awaited')
    try {
      while (!isOver) {
        const pause = new AbortController()
        const tick = ignoreFailure(
          clock.sleep(TELL_EVERY_MS, { signal: pause.signal }),
          'it ends early when the work does',
        )
        await Promise.race([ignoreFailure(made, 'it is thrown where it is awaited'), tick])
        pause.abort()
        if (!isOver) yield [{ kind: 'made', ...place.made }]
      }
    } finally {
      place.stop()
      await ignoreFailure(made, 'it is thrown where it is awaited')
    }
    await made
  }

  async #takeBack(place: ImportPlace, signal: AbortSignal): Promise<void> {
    try {
      await place.takeBack(signal)
    } catch (error) {
      this.#parts.log('exchange.not-undone', { error: String(error) })
    }
  }
}

function onlyRoot({ roots }: CarFile): Cid {
  const [root] = roots
  if (root !== undefined && roots.length === 1) return root
  throw new ShoalError(
    'unsupported',
    `the archive has ${roots.length} roots, ${roots.join(', ')}; ` +
      'only one can be imported: extract it as an archive of its own',
  )
}
