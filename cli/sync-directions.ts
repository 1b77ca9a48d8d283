// The two directions of `shoal sync`: into the namespace, as `shoal put` copies, and out of it, as
// `shoal get` does.
import { lstat, stat } from 'node:fs/promises'
import { ShoalError } from '../protocol/errors.ts'
import { GetTree } from './get-tree.ts'
import { findLocal } from './local-files.ts'
import { localPath } from './local-path.ts'
import { parentPath, rootOf } from './paths.ts'
import { PutTree } from './put-tree.ts'
import { LocalSide, SharedSide } from './sync-sides.ts'
import type { BigIntStats } from 'node:fs'
import type { Ack, FileStat } from '../node/control/files.ts'
import type { Context } from './context.ts'
import type { SharedSource } from './get-tree.ts'
import type { LeftOut } from './left-out.ts'
import type { LocalAttributes } from './local-attributes.ts'
import type { OpenFolder } from './open-folder.ts'
import type { PutRules } from './put-tree.ts'
import type { Pair } from './sync-extras.ts'
import type { Side } from './sync-sides.ts'
import type { Transfer } from './transfer.ts'

export interface Direction {
  readonly root: Pair
  readonly source: Side
  readonly dest: Side
  /** Was DEST there at the start? */
  readonly isDestThere: boolean
  /** Copies what differs; ends when it is copied. */
  copyAll(): Promise<void>
  /** Copies what is not at DEST any more. folder: where it comes into. */
  copy(pair: Pair, folder: OpenFolder): Promise<void>
  /** A folder of DEST that gets the attributes of that of SRC when all in it is done. */
  openFolder(pair: Pair): Promise<OpenFolder>
  /** Wait for what was to be copied. throws what ended the transfer. */
  drain(): Promise<void>
  /** Wait until what was written is durable. */
  settle(): Promise<void>
  /** Wait for what still runs, after a failure too. */
  end(): Promise<void>
}

export interface DirectionComponents {
  readonly context: Context
  readonly transfer: Transfer
  readonly rules: PutRules
}

/** Which folders are synced. */
export interface Places {
  readonly source: string
  readonly dest: string
}

export class SyncUp implements Direction {
  readonly root: Pair
  readonly source: Side
  readonly dest: Side
  readonly #c: DirectionComponents
  readonly #tree: PutTree
  readonly #stat: BigIntStats
  readonly #existing: FileStat | undefined
  readonly #ack: Ack | undefined

  private constructor(
    components: DirectionComponents,
    { source, dest }: Places,
    tree: PutTree,
    stats: { readonly stat: BigIntStats; readonly existing: FileStat | undefined },
    ack: Ack | undefined,
  ) {
    this.#c = components
    this.#tree = tree
    this.#stat = stats.stat
    this.#existing = stats.existing
    this.#ack = ack
    this.root = { source, dest, relativePath: '' }
    this.source = new LocalSide(source, stats.stat, components.rules.leftOut)
    this.dest = new SharedSide(components.context.client)
  }

  static async open(
    components: DirectionComponents,
    places: Places,
    ack: Ack | undefined,
  ): Promise<SyncUp> {
    const { context, transfer, rules } = components
    const { source, dest } = places
    const found = await stat(localPath(source), { bigint: true })
    if (!found.isDirectory()) throw noFolder(source, 'copy a file with "shoal put"')
    await checkMayCopy(rules.leftOut, source)
    const tree = new PutTree(context, transfer, rules)
    // A node that has no volume yet makes one when it is first written to.
    await tree.makeParents(rootOf(dest))
    const existing = await tree.find(dest)
    if (existing !== undefined && existing.kind !== 'folder')
      throw noFolder(dest, 'remove it first')
    return new SyncUp(components, places, tree, { stat: found, existing }, ack)
  }

  get isDestThere(): boolean {
    return this.#existing !== undefined
  }

  async copyAll(): Promise<void> {
    const { source, dest, relativePath } = this.root
    if (!this.isDestThere) await this.#tree.makeParents(parentPath(dest))
    const from = { path: source, relativePath, device: this.#stat.dev }
    await this.#c.transfer.attempt(() =>
      this.#tree.putFolder(from, dest, this.#stat, this.#existing),
    )
    await this.drain()
  }

  async copy({ source, dest, relativePath }: Pair, folder: OpenFolder): Promise<void> {
    const from = { path: source, relativePath, device: this.#stat.dev }
    await this.#tree.put(from, dest, undefined, folder)
  }

  async openFolder({ source, dest, relativePath }: Pair): Promise<OpenFolder> {
    const local = await (relativePath === '' ? stat : lstat)(localPath(source), { bigint: true })
    return this.#tree.openFolder(dest, local, true)
  }

  drain(): Promise<void> {
    return this.#tree.drain()
  }

  async settle(): Promise<void> {
    if (!this.#c.transfer.isDryRun) await this.#c.context.client.settle(this.#ack)
  }

  end(): Promise<void> {
    return this.#tree.end()
  }
}

export class SyncDown implements Direction {
  readonly root: Pair
  readonly source: Side
  readonly dest: Side
  readonly isDestThere: boolean
  readonly #c: DirectionComponents
  readonly #tree: GetTree
  readonly #stat: FileStat
  readonly #device: bigint | undefined

  private constructor(
    components: DirectionComponents,
    { source, dest }: Places,
    stats: { readonly stat: FileStat; readonly local: BigIntStats | undefined },
    attributes: LocalAttributes,
  ) {
    const { context, transfer, rules } = components
    this.#c = components
    this.#tree = new GetTree(context, transfer, attributes, rules)
    this.#stat = stats.stat
    this.#device = stats.local?.dev
    this.isDestThere = stats.local !== undefined
    this.root = { source, dest, relativePath: '' }
    this.source = new SharedSide(context.client)
    this.dest = new LocalSide(dest, stats.local, rules.leftOut)
  }

  static async open(
    components: DirectionComponents,
    places: Places,
    attributes: LocalAttributes,
  ): Promise<SyncDown> {
    const { context, rules } = components
    const { source, dest } = places
    const found = await context.client.stat(source)
    if (found.kind !== 'folder') throw noFolder(source, 'copy a file with "shoal get"')
    await checkMayCopy(rules.leftOut, dest)
    const local = findLocal(dest, { follows: true })
    if (local !== undefined && !local.isDirectory()) throw noFolder(dest, 'remove it first')
    return new SyncDown(components, places, { stat: found, local }, attributes)
  }

  async copyAll(): Promise<void> {
    await this.#c.transfer.attempt(() => this.#tree.get(this.#from(this.root, this.#stat)))
    await this.drain()
  }

  async copy(pair: Pair, folder: OpenFolder): Promise<void> {
    const found = await this.#c.context.client.stat(pair.source)
    await this.#tree.get({ ...this.#from(pair, found), isNew: true }, folder)
  }

  async openFolder(pair: Pair): Promise<OpenFolder> {
    return this.#tree.openFolder(this.#from(pair, await this.#c.context.client.stat(pair.source)))
  }

  drain(): Promise<void> {
    return this.#tree.drain()
  }

  async settle(): Promise<void> {}

  end(): Promise<void> {
    return this.#tree.end()
  }

  #from({ source, dest, relativePath }: Pair, found: FileStat): SharedSource {
    return { path: source, relativePath, stat: found, target: dest, device: this.#device }
  }
}

async function checkMayCopy(leftOut: LeftOut, path: string): Promise<void> {
  const refusal = await leftOut.refusalOf(localPath(path))
  if (refusal !== undefined) throw new ShoalError('usage', `${path} cannot be synced: ${refusal}`)
}

function noFolder(path: string, advice: string): ShoalError {
  return new ShoalError('ENOTDIR', `${path} is not a folder; ${advice}`)
}
