// A UnixFS tree in an archive, read block by block; in memory are the nodes on the way to where it
// is read, and one folder of names each. What an archive cannot be trusted with is checked by
// survey(), once and before anything else: each distinct node is looked at once, however often the
// tree has it, so small archives of endless trees end there.
import { MULTIHASH_IDENTITY } from '../../protocol/car/car.ts'
import { decodeUnixfs } from '../../protocol/car/unixfs.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { CODEC_RAW } from '../../protocol/ids.ts'
import {
  FILE_SIZE_MAX,
  IMPORT_BYTES_MAX,
  IMPORT_LEVELS_MAX,
  IMPORT_NAMES_MAX,
  PATH_MAX,
  SYMLINK_MAX,
} from '../../protocol/limits.ts'
import { collisionKey, nameFromPlainText } from '../../protocol/op/names.ts'
import { formatBytes } from '../../protocol/size.ts'
import type { Cid } from '../../protocol/car/car.ts'
import type { FolderEntry, UnixfsNode } from '../../protocol/car/unixfs.ts'
import type { CarFile } from './car-file.ts'
import type { FileAttributes } from '../control/files.ts'
import type { ImportPlace, Making } from './import-place.ts'

type FileNode = Extract<UnixfsNode, { kind: 'file' }>

/** The totals at and below a node. */
export interface TreeTotal {
  /** Bytes of all files. */
  readonly bytes: number
  /** Files, folders and symlinks. */
  readonly names: number
  /** Bytes of the longest path below it, each name with a '/' before it. */
  readonly longest: number
  readonly kind: UnixfsNode['kind']
}

class UnixfsTree {
  readonly #car: CarFile
  readonly #signal: AbortSignal

  constructor(car: CarFile, signal: AbortSignal) {
    this.#car = car
    this.#signal = signal
  }

  /** throws ShoalError 'corrupt' if the archive lacks it, 'malformed' naming it, 'unsupported'. */
  async node(cid: Cid): Promise<UnixfsNode> {
    this.#signal.throwIfAborted()
    const bytes = await this.#car.read(cid)
    return naming(cid, () => decodeUnixfs(cid, bytes))
  }

  /**
   * The entries of a folder, those of its shards too; all names differ, and can be names of files.
   */
  async entries(cid: Cid, folder: UnixfsNode): Promise<readonly FolderEntry[]> {
    const entries: FolderEntry[] = []
    const seen = new Set<string>()
    const open: { cid: Cid; node: UnixfsNode }[] = [{ cid, node: folder }]
    const shards = new Set([String(cid)])
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (at.node.kind !== 'folder' && at.node.kind !== 'shard')
        throw malformed(at.cid, 'it is no part of a folder')
      for (const entry of at.node.entries) {
        if (at.node.kind === 'shard' && entry.name === '') {
          if (shards.has(String(entry.cid)))
            throw malformed(entry.cid, 'a folder has it as a shard twice')
          shards.add(String(entry.cid))
          const node = await this.node(entry.cid)
          if (node.kind !== 'shard') throw malformed(entry.cid, 'it is no shard of a folder')
          open.push({ cid: entry.cid, node })
          continue
        }
        const name = naming(at.cid, () => collisionKey(nameFromPlainText(entry.name)))
        if (seen.has(name))
          throw malformed(at.cid, `the name "${entry.name}" is twice in one folder`)
        seen.add(name)
        entries.push(entry)
      }
    }
    return entries
  }

  /** The bytes of a file, in parts. */
  async *content(file: FileNode): AsyncGenerator<Uint8Array> {
    if (file.bytes.length > 0) yield file.bytes
    for (const { cid } of file.parts) {
      const part = await this.node(cid)
      if (part.kind !== 'file') throw malformed(cid, 'it is no part of a file')
      yield* this.content(part)
    }
  }

  /**
   * Look at every node once. throws ShoalError 'corrupt' for one that is missing, 'malformed' for
   * names that no file can have or that are there twice, for sizes that do not fit, and past the
   * bounds on what an import may make.
   */
  async survey(root: Cid): Promise<TreeTotal> {
    const total = await new Survey(this, this.#car).total(root, 0)
    if (total.kind === 'file' || total.kind === 'symlink' || total.longest < PATH_MAX) return total
    throw malformed(root, `it holds paths of more than ${PATH_MAX} bytes`)
  }
}

class Survey {
  readonly #tree: UnixfsTree
  readonly #car: CarFile
  /** By the number of the block. */
  readonly #totals: (TreeTotal | undefined)[] = []

  constructor(tree: UnixfsTree, car: CarFile) {
    this.#tree = tree
    this.#car = car
  }

  async total(cid: Cid, depth: number): Promise<TreeTotal> {
    if (depth > IMPORT_LEVELS_MAX)
      throw malformed(cid, `it lies more than ${IMPORT_LEVELS_MAX} levels deep`)
    if (cid.multihash.code === MULTIHASH_IDENTITY) return this.#look(cid, depth)
    const number = this.#car.numberOf(cid)
    if (cid.code === CODEC_RAW) return fileTotal(this.#car.index.at(number).length)
    return (this.#totals[number] ??= await this.#look(cid, depth))
  }

  async #look(cid: Cid, depth: number): Promise<TreeTotal> {
    const node = await this.#tree.node(cid)
    switch (node.kind) {
      case 'file':
        return fileTotal(await this.#fileBytes(cid, node, depth))
      case 'symlink':
        checkTarget(cid, node.target)
        return { bytes: 0, names: 1, longest: 0, kind: 'symlink' }
      default:
        return this.#folder(cid, node, depth)
    }
  }

  async #fileBytes(cid: Cid, { bytes, parts }: FileNode, depth: number): Promise<number> {
    let sum = bytes.length
    for (const part of parts) {
      const total = await this.total(part.cid, depth + 1)
      if (total.kind !== 'file') throw malformed(part.cid, 'it is no part of a file')
      if (total.bytes !== part.size)
        throw malformed(cid, `it says ${part.size} bytes of a part that has ${total.bytes}`)
      sum += total.bytes
    }
    if (sum > FILE_SIZE_MAX) throw malformed(cid, 'it is larger than a file can be')
    return sum
  }

  async #folder(cid: Cid, node: UnixfsNode, depth: number): Promise<TreeTotal> {
    const sum = { bytes: 0, names: 1, longest: 0 }
    for (const entry of await this.#tree.entries(cid, node)) {
      const { bytes, names, longest } = await this.total(entry.cid, depth + 1)
      sum.bytes += bytes
      sum.names += names
      sum.longest = Math.max(sum.longest, 1 + Buffer.byteLength(entry.name) + longest)
    }
    if (sum.names > IMPORT_NAMES_MAX)
      throw malformed(cid, `it makes ${sum.names} files and folders; ${IMPORT_NAMES_MAX} may be`)
    if (sum.bytes > IMPORT_BYTES_MAX)
      throw malformed(
        cid,
        `it makes files of ${formatBytes(sum.bytes)}; at most ${formatBytes(IMPORT_BYTES_MAX)} may be`,
      )
    return { ...sum, kind: 'folder' }
  }
}

function fileTotal(bytes: number): TreeTotal {
  return { bytes, names: 1, longest: 0, kind: 'file' }
}

function checkTarget(cid: Cid, target: string): void {
  const length = Buffer.byteLength(target)
  if (length === 0 || length > SYMLINK_MAX || target.includes('\0'))
    throw malformed(cid, 'it points nowhere that a symlink can')
}

function naming<Result>(cid: Cid, run: () => Result): Result {
  try {
    return run()
  } catch (thrown) {
    const error = asShoalError(thrown)
    if (error.code === 'unsupported')
      throw new ShoalError(error.code, `block ${String(cid)}: ${error.message}`, { cause: thrown })
    throw malformed(cid, error.message)
  }
}

function malformed(cid: Cid, why: string): ShoalError {
  return new ShoalError(
    'malformed',
    `block ${String(cid)} of the archive is not valid UnixFS: ${why}; nothing was imported`,
  )
}

/** throws ShoalError 'corrupt', 'malformed', 'unsupported' naming the block that is to blame. */
/** Opens UnixFS in an archive, to be made into files: looked at as a whole first, then made. */
export async function openUnixfs(car: CarFile, root: Cid, signal: AbortSignal): Promise<Making> {
  const tree = new UnixfsTree(car, signal)
  const { names, bytes } = await tree.survey(root)
  return { total: { names, bytes }, make: (place) => make(tree, root, place, []) }
}

async function make(
  tree: UnixfsTree,
  cid: Cid,
  place: ImportPlace,
  path: readonly string[],
): Promise<void> {
  const node = await tree.node(cid)
  switch (node.kind) {
    case 'file':
      return place.makeFile(path, tree.content(node), attributesOf(node))
    case 'symlink':
      return place.makeSymlink(path, node.target)
    default:
      await place.makeFolder(path)
      for (const entry of await tree.entries(cid, node))
        await make(tree, entry.cid, place, [...path, entry.name])
      await place.setAttributes(path, attributesOf(node))
  }
}

function attributesOf({ mode, modifiedNs }: UnixfsNode): FileAttributes {
  return {
    ...(mode === undefined ? {} : { mode: mode & 0o7777 }),
    ...(modifiedNs === undefined ? {} : { modifiedNs: BigInt.asIntN(64, modifiedNs) }),
  }
}
