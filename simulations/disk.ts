// A disk in memory that forgets as real ones do. Every call takes virtual time, so that calls
// interleave by seed. Once a sync has returned, what it covered survives every crash; anything else
// may not. A disk belongs to one run of a process: when that is killed its calls never return, and
// crash() or restart() give the disk of the next run.
import { toHex } from '../protocol/bytes.ts'
import { ShoalError, assert } from '../protocol/errors.ts'
import { GIB } from '../protocol/units.ts'
import { DiskImage, normalPath } from './disk-image.ts'
import { writeChange } from './inode.ts'
import type { Change, Inode } from './inode.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Disk, DiskFile, FileOwner } from '../node/world/world.ts'

export interface DiskOptions {
  readonly capacityBytes?: number
  /** The serial number in identity(); drawn if left out. */
  readonly serial?: string
}

const CAPACITY_BYTES = 100 * GIB
const SERIAL_BYTES = 8
/**
 * Median virtual time of a call; each varies by a factor of e^SPREAD either way (one standard
 * deviation).
 */
const MEDIAN_MS = { name: 0.05, read: 0.1, write: 0.05, sync: 1 } as const
const SPREAD = 0.7

export class SimulatedDisk implements Disk {
  readonly owner: FileOwner = { uid: 1000, gid: 1000 }
  readonly #process: SimulatedProcess
  readonly #random: SeededRandom
  readonly #image: DiskImage
  readonly #serial: string
  /** ENOSPC above it; may be changed at any time. */
  capacityBytes: number
  /** Every call takes this many times as long. */
  slowness = 1
  #syncFails = false

  constructor(
    components: { process: SimulatedProcess; random: SeededRandom },
    options: DiskOptions = {},
    image: DiskImage = new DiskImage(),
  ) {
    this.#process = components.process
    this.#random = components.random
    this.#image = image
    this.#serial = options.serial ?? toHex(this.#random.bytes(SERIAL_BYTES))
    this.capacityBytes = options.capacityBytes ?? CAPACITY_BYTES
  }

  /**
   * The next sync of a file fails with EIO, and what it should have written may be lost for good.
   */
  failNextSync(): void {
    this.#syncFails = true
  }

  /**
   * Flip one bit of a file that has any bytes; by chance where not said. Its path, if there was
   * one.
   */
  rot(path?: string, position?: number): string | undefined {
    const candidates = path === undefined ? this.#image.files() : [normalPath(path)]
    const damaged = candidates.filter((name) => (this.#image.file(name)?.size ?? 0) > 0)
    if (damaged.length === 0) return undefined
    const chosen = this.#random.pick(damaged)
    const inode = this.#image.file(chosen)
    inode?.rot(position ?? this.#random.below(inode.size), this.#random.below(8))
    return chosen
  }

  /**
   * The disk of `process`, after this one lost power: what was not synced is kept, lost or torn by
   * chance.
   */
  crash(process: SimulatedProcess): SimulatedDisk {
    return this.#with(process, this.#image.crash(this.#random, this.#process.scheduler.sightings))
  }

  /** The disk of `process`, after the last one ended or was killed and the machine stayed up. */
  restart(process: SimulatedProcess): SimulatedDisk {
    return this.#with(process, this.#image.survive(this.#random))
  }

  /**
   * A copy of all that reads see now: a backup, or a cloned machine. The files are others then, as
   * identity() tells; not so in an `image` of the whole disk.
   */
  clone(
    process: SimulatedProcess,
    { image = false }: { readonly image?: boolean } = {},
  ): SimulatedDisk {
    const serial = image ? this.#serial : toHex(this.#random.bytes(SERIAL_BYTES))
    return this.#with(process, this.#image.clone(), serial)
  }

  async open(path: string, mode: 'read' | 'write'): Promise<DiskFile> {
    const name = normalPath(path)
    await this.#wait('name', `open ${name}`)
    return new SimulatedFile(this.#image.open(name, mode), name, {
      random: this.#random,
      wait: (kind, what) => this.#wait(kind, what),
      freeBytes: () => this.#freeBytes(),
      takeSyncFault: () => this.#takeSyncFault(),
    })
  }

  async list(path: string): Promise<readonly string[]> {
    await this.#wait('name', `list ${path}`)
    return this.#image.list(normalPath(path))
  }

  async makeFolder(path: string): Promise<void> {
    await this.#wait('name', `make folder ${path}`)
    this.#image.makeFolder(normalPath(path))
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [normalPath(from), normalPath(to)]
    await this.#wait('name', `rename ${source} ${target}`)
    this.#image.rename(source, target)
    await this.#syncFolder(normalPath(`${target}/..`))
    await this.#syncFolder(normalPath(`${source}/..`))
  }

  async remove(path: string): Promise<void> {
    await this.#wait('name', `remove ${path}`)
    this.#image.remove(normalPath(path))
  }

  async syncFolder(path: string): Promise<void> {
    await this.#syncFolder(normalPath(path))
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    await this.#wait('name', 'space')
    return { freeBytes: this.#freeBytes(), totalBytes: this.capacityBytes }
  }

  async identity(): Promise<string> {
    await this.#wait('name', 'identity')
    return this.#serial
  }

  async #syncFolder(folder: string): Promise<void> {
    const covered = this.#image.coveredBySync(folder)
    await this.#wait('sync', `sync folder ${folder}`)
    this.#image.persist(covered)
  }

  #with(process: SimulatedProcess, image: DiskImage, serial = this.#serial): SimulatedDisk {
    const { capacityBytes } = this
    return new SimulatedDisk({ process, random: this.#random }, { capacityBytes, serial }, image)
  }

  #wait(kind: keyof typeof MEDIAN_MS, what: string): Promise<void> {
    const factor = Math.exp(SPREAD * this.#random.normal())
    return this.#process.wait(MEDIAN_MS[kind] * factor * this.slowness, `disk ${what}`)
  }

  #freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#image.usedBytes)
  }

  #takeSyncFault(): boolean {
    const fails = this.#syncFails
    this.#syncFails = false
    return fails
  }
}

/** The needs of a file towards its disk. */
interface Device {
  readonly random: SeededRandom
  wait(kind: keyof typeof MEDIAN_MS, what: string): Promise<void>
  freeBytes(): number
  takeSyncFault(): boolean
}

class SimulatedFile implements DiskFile {
  readonly #inode: Inode
  readonly #path: string
  readonly #device: Device
  #open = true

  constructor(inode: Inode, path: string, device: Device) {
    this.#inode = inode
    this.#path = path
    this.#device = device
  }

  async size(): Promise<number> {
    this.#check()
    await this.#device.wait('read', `size ${this.#path}`)
    return this.#inode.size
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    this.#check()
    await this.#device.wait('read', `read ${this.#path} ${position}+${length}`)
    return this.#inode.read(position, length)
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    this.#check()
    const whole = writeChange(position, parts)
    const endMax = this.#inode.size + this.#device.freeBytes()
    const cut = whole.bytes.subarray(0, Math.max(0, endMax - position))
    await this.#make({ ...whole, bytes: cut }, `write ${this.#path} ${position}+${cut.length}`)
    if (cut.length < whole.bytes.length) throw this.#error('ENOSPC', 'the disk is full')
  }

  async truncate(length: number): Promise<void> {
    this.#check()
    await this.#make({ kind: 'truncate', length }, `truncate ${this.#path} ${length}`)
  }

  async sync(): Promise<void> {
    this.#check()
    const covered = this.#inode.coveredBySync()
    await this.#device.wait('sync', `sync ${this.#path}`)
    if (!this.#device.takeSyncFault()) return this.#inode.persist(covered)
    this.#inode.forget(covered, this.#device.random)
    throw this.#error('EIO', 'the sync failed')
  }

  async close(): Promise<void> {
    this.#check()
    this.#open = false
    await this.#device.wait('name', `close ${this.#path}`)
  }

  async #make(change: Change, what: string): Promise<void> {
    this.#inode.begin(change)
    await this.#device.wait('write', what)
    this.#inode.complete(change)
  }

  #check(): void {
    assert(this.#open, `${this.#path} is used after it was closed`)
  }

  #error(code: 'ENOSPC' | 'EIO', what: string): ShoalError {
    return new ShoalError(code, `${this.#path}: ${what}`)
  }
}
