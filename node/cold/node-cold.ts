// The cold tiers of all volumes of a node, each from when it is hosted on.
import { assert } from '../../protocol/errors.ts'
import type { ChunkId, PeerId } from '../../protocol/ids.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { HostedVolumes } from '../volume/hosted-volumes.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Store } from '../store/store.ts'
import type { NodeUpkeep } from '../upkeep.ts'
import type { World } from '../world/world.ts'
import { VolumeCold } from './volume-cold.ts'
import type { WriteLog } from '../observe/log-events.ts'

export interface NodeColdComponents {
  readonly world: World
  readonly store: Store
  readonly hosted: HostedVolumes
  readonly isOnline: (peer: PeerId) => boolean
  readonly upkeep: Pick<NodeUpkeep, 'localPinning'>
  readonly security?: RecordSecurity | undefined
  readonly log: WriteLog
}

export class NodeCold {
  readonly #c: NodeColdComponents
  readonly #volumes = new Map<HostedVolume, VolumeCold>()
  #isStarted = false

  constructor(components: NodeColdComponents) {
    this.#c = components
    const { hosted } = components
    for (const each of hosted.all()) this.#add(each)
    hosted.onHosted((each) => this.#add(each))
    hosted.onReleased(async (each) => {
      const cold = this.#volumes.get(each)
      this.#volumes.delete(each)
      await cold?.stop()
    })
  }

  start(): void {
    this.#isStarted = true
    for (const cold of this.#volumes.values()) cold.start()
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#volumes.values(), (cold) => cold.stop()))
  }

  of(hosted: HostedVolume): VolumeCold {
    const cold = this.#volumes.get(hosted)
    assert(cold !== undefined, 'a hosted volume is looked after')
    return cold
  }

  #add(hosted: HostedVolume): void {
    const { world, store, isOnline, upkeep, security, log } = this.#c
    const isKept = (chunk: ChunkId): boolean => upkeep.localPinning(hosted).has(chunk)
    const cold = new VolumeCold({ world, store, hosted, isOnline, isKept, security, log })
    this.#volumes.set(hosted, cold)
    if (this.#isStarted) cold.start()
  }
}
