// The parts of a tree that `shoal put` leaves out: what its user excludes, other file systems, and
// what is Shoal's own. The home has the keys of this machine, and a copy of a mount into what it
// shows would never end.
import { lstat, readFile } from 'node:fs/promises'
import ignore from 'ignore'
import type { BigIntStats } from 'node:fs'
import type { Ignore } from 'ignore'
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

  /** Why a folder cannot be put at all; undefined if it can. */
  refusalOf(stat: BigIntStats): string | undefined {
    if (identityOf(stat) === this.#own.home) return 'it is the home of this node, with its keys'
    if (!this.#own.mountDevices.has(stat.dev)) return undefined
    return 'it is in a mount of this node already; copy it there, as with "cp -r"'
  }

  /** Does its user exclude this? relativePath: from SRC on. */
  excludes(relativePath: string, stat: BigIntStats): boolean {
    return this.#patterns.ignores(stat.isDirectory() ? `${relativePath}/` : relativePath)
  }

  /** Why a folder below SRC is left out unasked. device: of the file system that SRC is on. */
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

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch {
    // It is gone, or a dead mount: then nothing can be put from it either.
    return undefined
  }
}
