// The names of a simulated disk, and which of them are durable. A name that was made, renamed or
// removed since its folder was synced is kept or lost by a crash, each by itself; a rename happens
// wholly or not at all; a name whose folder is lost is lost with it (Pillai et al., "All file
// systems are not created equal", OSDI 2014).
import { posix } from 'node:path'
import { ShoalError } from '../protocol/errors.ts'
import { Inode } from './inode.ts'
import type { SeededRandom } from './random.ts'
import type { Sightings } from './sightings.ts'

const FOLDER = 'folder'
type Entry = Inode | typeof FOLDER

/**
 * A change of names: `entry` appears at `to` (removal: nowhere), and is gone from `from` (creation:
 * nowhere).
 */
export interface NameChange {
  readonly from: string | undefined
  readonly to: string | undefined
  readonly entry: Entry
}

type Names = Map<string, Entry>

export class DiskImage {
  readonly #names: Names
  readonly #durable: Names
  #unsynced: readonly NameChange[] = []

  constructor(durable: Names = new Map(), names: Names = new Map(durable)) {
    this.#durable = durable
    this.#names = names
  }

  /** Bytes of all files that have a name. */
  get usedBytes(): number {
    let sum = 0
    for (const entry of this.#names.values()) if (entry !== FOLDER) sum += entry.size
    return sum
  }

  /** The file at `path`, created if need be in 'write' mode. throws ENOENT, EISDIR. */
  open(path: string, mode: 'read' | 'write'): Inode {
    const entry = path === '' ? FOLDER : this.#names.get(path)
    if (entry === FOLDER) throw new ShoalError('EISDIR', `${path} is a folder`)
    if (entry !== undefined) return entry
    if (mode === 'read') throw missing(path)
    this.#needFolder(parentOf(path))
    const created = new Inode()
    this.#change({ from: undefined, to: path, entry: created })
    return created
  }

  /** The file at `path`, if there is one. */
  file(path: string): Inode | undefined {
    const entry = this.#names.get(path)
    return entry === FOLDER ? undefined : entry
  }

  /** Paths of all files, sorted. */
  files(): readonly string[] {
    return [...this.#names.keys()].filter((path) => this.file(path) !== undefined).toSorted()
  }

  list(folder: string): readonly string[] {
    const names = [...this.#names.keys()].filter((path) => parentOf(path) === folder)
    return names.map((path) => posix.basename(path)).toSorted()
  }

  /** throws EEXIST where a file has the name, ENOTDIR where one is on the way. */
  makeFolder(path: string): void {
    if (path === '') return
    const entry = this.#names.get(path)
    if (entry === FOLDER) return
    if (entry !== undefined) throw new ShoalError('EEXIST', `${path} is a file`)
    const parent = parentOf(path)
    if (this.file(parent) !== undefined) throw new ShoalError('ENOTDIR', `${parent} is a file`)
    this.makeFolder(parent)
    this.#change({ from: undefined, to: path, entry: FOLDER })
  }

  /** throws ENOENT, EISDIR. Only files are renamed, as the nodes do. */
  rename(from: string, to: string): void {
    const entry = this.open(from, 'read')
    if (this.#names.get(to) === FOLDER) throw new ShoalError('EISDIR', `${to} is a folder`)
    this.#needFolder(parentOf(to))
    if (from !== to) this.#change({ from, to, entry })
  }

  /** throws ENOENT, EISDIR. */
  remove(path: string): void {
    this.#change({ from: path, to: undefined, entry: this.open(path, 'read') })
  }

  /** The name changes that a sync of `folder` covers if it begins now. throws ENOENT. */
  coveredBySync(folder: string): readonly NameChange[] {
    this.#needFolder(folder)
    return this.#unsynced.filter(({ from, to }) => isIn(folder, from) || isIn(folder, to))
  }

  persist(changes: readonly NameChange[]): void {
    const covered = new Set(changes)
    for (const change of this.#unsynced) if (covered.has(change)) apply(this.#durable, change)
    this.#unsynced = this.#unsynced.filter((change) => !covered.has(change))
  }

  /** The image after a power loss. */
  crash(random: SeededRandom, sightings: Sightings): DiskImage {
    const names = new Map(this.#durable)
    for (const change of this.#unsynced) if (random.chance(0.5)) apply(names, change)
    const kept: Names = new Map()
    for (const path of [...names.keys()].toSorted()) {
      const parent = parentOf(path)
      const entry = names.get(path)
      if (entry === undefined || (parent !== '' && kept.get(parent) !== FOLDER)) continue
      kept.set(path, entry === FOLDER ? FOLDER : entry.crash(random, sightings))
    }
    return new DiskImage(kept)
  }

  /** The image after the process was killed while the machine stays up. */
  survive(random: SeededRandom): DiskImage {
    const survivors = new Map<Inode, Inode>()
    const survivor = (entry: Entry): Entry => {
      if (entry === FOLDER) return FOLDER
      const known = survivors.get(entry) ?? entry.survive(random)
      survivors.set(entry, known)
      return known
    }
    const left = new DiskImage(map(this.#durable, survivor), map(this.#names, survivor))
    left.#unsynced = this.#unsynced.map((change) => ({ ...change, entry: survivor(change.entry) }))
    return left
  }

  /** A copy of what reads see now, as a backup holds it. */
  clone(): DiskImage {
    return new DiskImage(
      map(this.#names, (entry) =>
        entry === FOLDER ? FOLDER : new Inode(entry.read(0, entry.size)),
      ),
    )
  }

  #change(change: NameChange): void {
    apply(this.#names, change)
    this.#unsynced = [...this.#unsynced, change]
  }

  #needFolder(path: string): void {
    if (path !== '' && this.#names.get(path) !== FOLDER) throw missing(path)
  }
}

/** The one form of a path; the root is an empty string, and nothing lies above it. */
export function normalPath(path: string): string {
  const normal = posix.join('/', path).slice(1)
  return normal.endsWith('/') ? normal.slice(0, -1) : normal
}

function parentOf(path: string): string {
  const parent = posix.dirname(path)
  return parent === '.' ? '' : parent
}

function isIn(folder: string, path: string | undefined): boolean {
  return path !== undefined && parentOf(path) === folder
}

function apply(names: Names, { from, to, entry }: NameChange): void {
  if (from !== undefined) names.delete(from)
  if (to !== undefined) names.set(to, entry)
}

function map(names: Names, change: (entry: Entry) => Entry): Names {
  return new Map([...names].map(([path, entry]) => [path, change(entry)]))
}

function missing(path: string): ShoalError {
  return new ShoalError('ENOENT', `there is no ${path === '' ? 'such file' : path}`)
}
