// One simulated computer. What outlives its processes (disk, ordered store, identity, address, the
// error of its wall clock) is here, and the World of the process that runs now; all chance comes
// from the seed of the scheduler and the machine's name, so that another machine more changes
// nothing for this one.
import { assert } from '../protocol/errors.ts'
import { identityFromSeed } from '../protocol/signed.ts'
import { VirtualClock, WallClockError } from './clock.ts'
import { SimulatedDisk } from './disk.ts'
import { SimulatedKv } from './kv.ts'
import { ColdStores, SimulatedTiers } from './object-tier.ts'
import { SimulatedProcess } from './process.ts'
import { NEVER_UNLUCKY, SeededRandom } from './random.ts'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedPeerNetwork } from './peer-network.ts'
import type { OnWrite } from './kv.ts'
import type { UnluckyRates } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import type { World } from '../node/world/world.ts'
import type { Identity } from '../protocol/signed.ts'

const SEED_BYTES = 32

export interface MachineOptions {
  readonly name: string
  /**
   * The error of the wall clock: how far ahead at the start, and microseconds gained in a second.
   */
  readonly offsetMs?: number
  readonly driftPpm?: number
  readonly unlucky?: UnluckyRates
  readonly onWrite?: OnWrite
}

/** The storage of a machine. */
export interface Images {
  readonly disk: SimulatedDisk
  readonly kv: SimulatedKv
}

/** The state of the running process. */
interface Running extends Images {
  readonly process: SimulatedProcess
  readonly network: SimulatedPeerNetwork
  readonly world: World
}

export class Machine {
  readonly name: string
  readonly identity: Identity
  readonly wallError: WallClockError
  readonly #scheduler: Scheduler
  readonly #network: SimulatedNetwork
  readonly #cold: ColdStores
  readonly #unlucky: UnluckyRates
  readonly #diskChance: SeededRandom
  readonly #kvChance: SeededRandom
  #running: Running
  #runCount = 0

  /** A machine with an empty disk, and its first process. */
  constructor(
    components: { scheduler: Scheduler; network: SimulatedNetwork; cold?: ColdStores },
    options: MachineOptions,
  ) {
    const { seed } = components.scheduler
    this.name = options.name
    this.#scheduler = components.scheduler
    this.#network = components.network
    this.#cold = components.cold ?? new ColdStores()
    const { luck } = components.scheduler
    const onAsked: UnluckyRates['onAsked'] = (site, isUnlucky) => luck.add(site, isUnlucky)
    this.#unlucky = { ...(options.unlucky ?? NEVER_UNLUCKY), onAsked }
    this.wallError = new WallClockError(options)
    this.identity = identityFromSeed(
      new SeededRandom(seed, `identity ${this.name}`).bytes(SEED_BYTES),
    )
    this.#diskChance = new SeededRandom(seed, `disk ${this.name}`)
    this.#kvChance = new SeededRandom(seed, `kv ${this.name}`)
    const process = this.#newProcess()
    const disk = new SimulatedDisk({ process, random: this.#diskChance })
    const { onWrite } = options
    const kv = new SimulatedKv({ process, random: this.#kvChance, ...(onWrite && { onWrite }) })
    this.#running = this.#boot(process, disk, kv)
  }

  get world(): World {
    return this.#running.world
  }

  get process(): SimulatedProcess {
    return this.#running.process
  }

  get disk(): SimulatedDisk {
    return this.#running.disk
  }

  get kv(): SimulatedKv {
    return this.#running.kv
  }

  /**
   * A copy of all that is stored, as reads see it now: of the files, or an image of the whole disk.
   */
  copy(options: { readonly image: boolean }): Images {
    const { process, disk, kv } = this.#running
    return { disk: disk.clone(process, options), kv: kv.clone(process) }
  }

  /** The storage, once the process has ended. */
  get images(): Images {
    return this.#running
  }

  /** End the process in mid-air: nothing that it waits for ever happens. */
  kill(how: 'killed' | 'power loss'): void {
    const { process, network } = this.#running
    this.#scheduler.note(`${this.name} ${how}`)
    process.kill()
    network.die(how)
  }

  /**
   * The next process after a kill, with what the last one's end left on disk; or with other images.
   */
  async restart(after: 'killed' | 'power loss', images: Images = this.#running): Promise<void> {
    const { disk, kv } = images
    assert(!this.#running.process.alive, `${this.name} still runs`)
    this.#scheduler.note(`${this.name} restarts`)
    const next = this.#newProcess()
    this.#running =
      after === 'killed'
        ? this.#boot(next, disk.restart(next), await kv.restart(next))
        : this.#boot(next, disk.crash(next), await kv.crash(next))
  }

  #newProcess(): SimulatedProcess {
    this.#runCount++
    return new SimulatedProcess(this.#scheduler, this.name)
  }

  #boot(process: SimulatedProcess, disk: SimulatedDisk, kv: SimulatedKv): Running {
    const { seed } = this.#scheduler
    const network = this.#network.join(process, this.identity.peer)
    const clock = new VirtualClock(process, this.wallError)
    const run = `${this.name} run ${this.#runCount}`
    const random = new SeededRandom(seed, run, this.#unlucky)
    const coldChance = new SeededRandom(seed, `cold tiers ${run}`)
    const tiers = new SimulatedTiers({ process, clock, random: coldChance }, this.#cold)
    return { process, disk, kv, network, world: { clock, random, disk, network, tiers } }
  }
}
