// The parts of a tree that `shoal put` and `shoal sync` leave out: what their user excludes, other
// file systems, those that the kernel makes up, and what is Shoal's own. A home, of this node or
// another, has the keys of a machine, and a copy of a mount into what it shows would never end.
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname, normalize } from 'node:path'
import ignore from 'ignore'
import { fromByteString, toByteString, utf8 } from '../protocol/bytes.ts'
import type { BigIntStats } from 'node:fs'
import type { Ignore } from 'ignore'
import type { ByteString } from '../protocol/bytes.ts'
import type { Context } from './context.ts'
import type { FileSystems } from '../node/world/file-systems.ts'

export interface LeftOutOptions {
  /** As in .gitignore, relative to each SRC. */
  readonly exclude?: readonly string[] | undefined
  readonly excludeFrom?: readonly string[] | undefined
  readonly oneFileSystem: boolean
}

/** Tells what is nobody's to copy, or another node's. */
interface OtherPlaces {
  readonly fileSystems: FileSystems
  readonly looksLikeHome: (folder: string | Buffer) => Promise<boolean>
}

interface OwnPlaces {
  readonly home: string | undefined
  readonly mountDevices: ReadonlySet<bigint>
}

export class LeftOut {
  readonly #patterns: Ignore
  readonly #isOneFileSystem: boolean
  readonly #own: OwnPlaces
  readonly #others: OtherPlaces

  private constructor(
    patterns: Ignore,
    isOneFileSystem: boolean,
    { own, others }: { readonly own: OwnPlaces; readonly others: OtherPlaces },
  ) {
    this.#patterns = patterns
    this.#isOneFileSystem = isOneFileSystem
    this.#own = own
    this.#others = others
  }

  /** throws what reading a file of patterns does. */
  static async of(context: Context, options: LeftOutOptions): Promise<LeftOut> {
    const patterns = ignore().add([...(options.exclude ?? [])])
    for (const file of options.excludeFrom ?? []) patterns.add(await readFile(file, 'utf8'))
    const { mounts } = await context.client.status()
    const stats = await Promise.all(mounts.map(({ folder }) => statOf(folder)))
    const own = {
      home: identityOf(await statOf(context.home)),
      mountDevices: new Set(stats.flatMap((stat) => stat?.dev ?? [])),
    }
    // Loaded here: the commands that only talk to a node start without it.
    const { FileSystems: OfMachine } = await import('../node/world/file-systems.ts')
    const { looksLikeHome } = await import('../node/world/home-files.ts')
    const others = { fileSystems: new OfMachine(), looksLikeHome }
    return new LeftOut(patterns, options.oneFileSystem, { own, others })
  }

  /**
   * Why nothing can be copied from or to a folder, which need not be there yet; undefined if it
   * can.
   */
  async refusalOf(path: string | Buffer): Promise<string | undefined> {
    const found = await closestFolder(typeof path === 'string' ? utf8(path) : path)
    const device = (await statOfBytes(found))?.dev
    if (device !== undefined && this.#own.mountDevices.has(device))
      return 'it is in a mount of this node already; copy it there, as with "cp -r"'
    const bytes = (at: ByteString): Buffer => Buffer.from(fromByteString(at))
    const reason = device && (await this.#others.fileSystems.reasonFor(bytes(found), device))
    if (reason !== undefined) return `it is in ${reason}`
    for (let at = found; ; at = dirname(at)) {
      const identity = identityOf(await statOfBytes(at))
      const isOwn = identity !== undefined && identity === this.#own.home
      if (isOwn || (await this.#others.looksLikeHome(bytes(at)))) {
        const node = isOwn ? 'this node' : 'a node'
        return at === found
          ? `it is the home of ${node}, with its keys`
          : `it is in the home of ${node}`
      }
      if (at === dirname(at)) return undefined
    }
  }

  /** Does its user exclude this? relativePath: from SRC, or DEST, on. */
  excludes(relativePath: string, isFolder: boolean): boolean {
    return this.#patterns.ignores(isFolder ? `${relativePath}/` : relativePath)
  }

  /**
   * Why a folder below SRC or DEST is left out unasked. device: of the file system that this is on.
   */
  async reasonFor(
    path: string | Buffer,
    stat: BigIntStats,
    device: bigint,
  ): Promise<string | undefined> {
    if (!stat.isDirectory()) return undefined
    if (identityOf(stat) === this.#own.home) return 'the home of this node, with its keys'
    if (this.#own.mountDevices.has(stat.dev)) return 'a mount of this node'
    if (stat.dev !== device) {
      const reason = await this.#others.fileSystems.reasonFor(path, stat.dev)
      if (reason !== undefined) return reason
      if (this.#isOneFileSystem) return 'another file system; include it with --no-one-file-system'
    }
    return (await this.#others.looksLikeHome(path))
      ? 'the home of a node, with its keys'
      : undefined
  }
}

function identityOf(stat: BigIntStats | undefined): string | undefined {
  return stat && `${stat.dev}:${stat.ino}`
}

/**
 * The real path of a folder, or of the closest one above it that is there. In bytes: it need not be
 * UTF-8, whatever the path that leads to it.
 */
async function closestFolder(path: Uint8Array): Promise<ByteString> {
  try {
    return toByteString(await realpath(Buffer.from(path), { encoding: 'buffer' }))
  } catch {
    // It is to be made.
    const normal = normalize(toByteString(path))
    const above = dirname(normal)
    return above === normal ? above : closestFolder(fromByteString(above))
  }
}

function statOfBytes(path: ByteString): Promise<BigIntStats | undefined> {
  return statOf(Buffer.from(fromByteString(path)))
}

async function statOf(path: string | Buffer): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true })
  } catch {
    // It is gone, or a dead mount: then nothing can be put from it either.
    return undefined
  }
}
