// The parts of a tree that `shoal put` and `shoal sync` leave out: what their user excludes, other
// file systems, and what is Shoal's own. The home has the keys of this machine, and a copy of a
// mount into what it shows would never end.
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname, normalize } from 'node:path'
import ignore from 'ignore'
import { fromByteString, toByteString, utf8 } from '../protocol/bytes.ts'
import type { BigIntStats } from 'node:fs'
import type { Ignore } from 'ignore'
import type { ByteString } from '../protocol/bytes.ts'
import type { Context } from './context.ts'

export interface LeftOutOptions {
  /** As in .gitignore, relative to each SRC. */
  readonly exclude?: readonly string[] | undefined
  readonly excludeFrom?: readonly string[] | undefined
  readonly oneFileSystem: boolean
}

interface OwnPlaces {
  readonly home: string | undefined
  readonly mountDevices: ReadonlySet<bigint>
}

export class LeftOut {
  readonly #patterns: Ignore
  readonly #isOneFileSystem: boolean
  readonly #own: OwnPlaces

  private constructor(patterns: Ignore, isOneFileSystem: boolean, own: OwnPlaces) {
    this.#patterns = patterns
    this.#isOneFileSystem = isOneFileSystem
    this.#own = own
  }

  /** throws what reading a file of patterns does. */
  static async of(context: Context, options: LeftOutOptions): Promise<LeftOut> {
    const patterns = ignore().add([...(options.exclude ?? [])])
    for (const file of options.excludeFrom ?? []) patterns.add(await readFile(file, 'utf8'))
    const { mounts } = await context.client.status()
    const stats = await Promise.all(mounts.map(({ folder }) => statOf(folder)))
    return new LeftOut(patterns, options.oneFileSystem, {
      home: identityOf(await statOf(context.home)),
      mountDevices: new Set(stats.flatMap((stat) => stat?.dev ?? [])),
    })
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
    for (let at = found; ; at = dirname(at)) {
      const identity = identityOf(await statOfBytes(at))
      if (identity !== undefined && identity === this.#own.home)
        return at === found
          ? 'it is the home of this node, with its keys'
          : 'it is in the home of this node'
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
  reasonFor(stat: BigIntStats, device: bigint): string | undefined {
    if (!stat.isDirectory()) return undefined
    if (identityOf(stat) === this.#own.home) return 'the home of this node, with its keys'
    if (this.#own.mountDevices.has(stat.dev)) return 'a mount of this node'
    if (!this.#isOneFileSystem || stat.dev === device) return undefined
    return 'another file system; include it with --no-one-file-system'
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
