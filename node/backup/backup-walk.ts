// Goes through the tree of a backup, and asks of each chunk whether it was seen before: what is
// below a folder, or a list of chunks, that was seen is not gone through again. So all backups of a
// place together cost what differs between them.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { BackupContent } from '../../protocol/backup/entry.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import { nameText } from '../../protocol/op/names.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { walk } from '../content/manifest-walk.ts'
import type { KnownPack } from './chunk-index.ts'
import { PackReader } from './pack-reader.ts'
import type { NamedBackup, Repository } from './repository.ts'
import { TreeReader } from './tree-reader.ts'

/** Chunks of all places, a bit each. */
export class SeenEntries {
  #bits: Uint8Array

  constructor(count: number) {
    this.#bits = new Uint8Array(Math.ceil(count / 8))
  }

  has(entry: number): boolean {
    return ((this.#bits[entry >> 3] ?? 0) & (1 << (entry & 7))) !== 0
  }

  /** returns whether it was seen before. */
  add(entry: number): boolean {
    if (this.has(entry)) return true
    this.#bits[entry >> 3] = (this.#bits[entry >> 3] ?? 0) | (1 << (entry & 7))
    return false
  }
}

export interface WalkListener {
  /** Told of each chunk once. */
  readonly onChunk?: (entry: number) => void
  /** Told of what cannot be read, and of files of which a part is in no pack. */
  readonly onProblem: (path: string, error: ShoalError) => void
}

export class BackupWalk {
  readonly #repository: Repository
  readonly #tree: TreeReader
  readonly #listener: WalkListener
  readonly #signal: AbortSignal
  /**
   * By the sets that a backup builds upon: copies elsewhere do not stand in for those of a full.
   */
  readonly #seen = new Map<string, SeenEntries>()
  /** Lists of chunks of which a part is missing. */
  readonly #faulty = new Set<ChunkId>()

  constructor(repository: Repository, listener: WalkListener, signal: AbortSignal) {
    this.#repository = repository
    this.#tree = new TreeReader(new PackReader({ repository }))
    this.#listener = listener
    this.#signal = signal
  }

  async walk(backup: NamedBackup): Promise<void> {
    const { set, builtOn, root } = backup
    const sets = builtOn === undefined ? undefined : new Set([set, ...builtOn])
    const key = sets === undefined ? '' : [...sets].sort().join()
    let seen = this.#seen.get(key)
    if (seen === undefined) {
      seen = new SeenEntries(this.#repository.index.count)
      this.#seen.set(key, seen)
    }
    if (root.content !== undefined) await this.#folder(root.content, '/', { seen, sets })
  }

  async #folder(content: BackupContent, path: string, scope: Scope): Promise<void> {
    try {
      if (await this.#isSeen(content, scope)) return
      for await (const entry of this.#tree.entries(content, { signal: this.#signal })) {
        if (entry.content === undefined) continue
        const below = `${path === '/' ? '' : path}/${nameText(entry.name)}`
        if (entry.kind === 'folder') await this.#folder(entry.content, below, scope)
        else await this.#file(entry.content, below, scope)
      }
    } catch (error) {
      this.#tell(path, error)
    }
  }

  async #file(content: BackupContent, path: string, scope: Scope): Promise<void> {
    try {
      await this.#isSeen(content, scope)
    } catch (error) {
      this.#tell(path, error)
    }
  }

  /** Was it seen before? Else all its chunks are now. throws ShoalError 'chunk-unavailable'. */
  async #isSeen(content: BackupContent, scope: Scope): Promise<boolean> {
    if (content.kind === 'inline') return false
    if (content.kind === 'chunk') return this.#see(content.ref.id, scope)
    const { manifest } = content
    // A list with a missing part is told of for each file.
    if (!this.#faulty.has(manifest.root.id) && this.#see(manifest.root.id, scope)) return true
    try {
      const tree = new ManifestTree(manifest, this.#tree.parts)
      for await (const step of walk(tree, { signal: this.#signal })) {
        if (step.kind === 'node') {
          this.#see(step.node.ref.id, scope)
          continue
        }
        for (const { extent } of step.extents)
          if (extent.kind === 'chunk') this.#see(extent.ref.id, scope)
      }
    } catch (error) {
      this.#faulty.add(manifest.root.id)
      throw error
    }
    return false
  }

  #see(id: ChunkId, { seen, sets }: Scope): boolean {
    const { index } = this.#repository
    const isThere = (pack: KnownPack): boolean => this.#repository.isThere(pack)
    const place =
      index.find(id, (pack) => isThere(pack) && sets?.has(pack.set) !== false) ??
      index.find(id, isThere)
    if (place === undefined)
      throw new ShoalError('chunk-unavailable', 'a part of it is in no pack that is there')
    const wasSeen = seen.add(place.entry)
    if (!wasSeen) this.#listener.onChunk?.(place.entry)
    return wasSeen
  }

  #tell(path: string, error: unknown): void {
    this.#signal.throwIfAborted()
    const told = asShoalError(error)
    if (told.code.startsWith('cold-') && told.code !== 'cold-missing') throw told
    this.#listener.onProblem(path, told)
  }
}

interface Scope {
  readonly seen: SeenEntries
  /** Undefined: any. */
  readonly sets: ReadonlySet<string> | undefined
}
