// Finds what `shoal sync --delete` has at DEST and not in SRC, folder by folder. What is left out
// of the copy on either side is no extra: neither what patterns exclude, nor what is mounted there.
import { nameKey } from './paths.ts'
import type { LeftOut } from './left-out.ts'
import type { Side, SideEntry } from './sync-sides.ts'

/** One place on both sides. */
export interface Pair {
  readonly source: string
  readonly dest: string
  /** From SRC and DEST on; '' for themselves. */
  readonly relativePath: string
}

export interface Extra {
  readonly pair: Pair
  readonly isFolder: boolean
  /** SRC has something else of that name: a folder, or none. */
  readonly isReplaced: boolean
}

/** Those of one folder. */
export interface FolderExtras {
  readonly folder: Pair
  readonly extras: readonly Extra[]
}

interface Sides {
  readonly source: Side
  readonly dest: Side
}

export class Extras {
  readonly #sides: Sides
  readonly #leftOut: LeftOut

  constructor(sides: Sides, leftOut: LeftOut) {
    this.#sides = sides
    this.#leftOut = leftOut
  }

  /**
   * Goes through all folders that are on both sides, from the outside in. What is below a folder
   * that is an extra is not told. throws where either side cannot be read.
   */
  async *below(folder: Pair): AsyncGenerator<FolderExtras> {
    const wanted = new Map<string, SideEntry>()
    for (const entry of await this.#sides.source.list(folder.source))
      wanted.set(nameKey(entry.name), entry)
    const extras: Extra[] = []
    const folders: Pair[] = []
    for (const entry of await this.#sides.dest.list(folder.dest)) {
      const source = wanted.get(nameKey(entry.name))
      const pair = this.#child(folder, entry.name, source?.name)
      if (this.#isKept(entry, pair) || (source !== undefined && this.#isNotCopied(source, pair)))
        continue
      if (source === undefined || source.isFolder !== entry.isFolder)
        extras.push({ pair, isFolder: entry.isFolder, isReplaced: source !== undefined })
      else if (entry.isFolder) folders.push(pair)
    }
    if (extras.length > 0) yield { folder, extras }
    for (const pair of folders) yield* this.below(pair)
  }

  /** Lists a folder of DEST that is to go; undefined for what stays. */
  async inside(folder: Pair): Promise<readonly (Extra | undefined)[]> {
    const entries = await this.#sides.dest.list(folder.dest)
    return entries.map((entry) => {
      const pair = this.#child(folder, entry.name)
      if (this.#isKept(entry, pair)) return undefined
      return { pair, isFolder: entry.isFolder, isReplaced: false }
    })
  }

  /** Files to go below `folder`, counted up to `most` and one more. */
  async countFiles(folder: Pair, most: number): Promise<number> {
    let files = 0
    const folders: Pair[] = []
    const count = (extras: readonly (Extra | undefined)[]): void => {
      for (const extra of extras) {
        if (extra?.isFolder === true) folders.push(extra.pair)
        else if (extra !== undefined) files++
      }
    }
    for await (const { extras } of this.below(folder)) {
      count(extras)
      for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
        if (files > most) return files
        count(await this.inside(next))
      }
      if (files > most) return files
    }
    return files
  }

  /** Has SRC nothing that would be copied? */
  async isSourceEmpty(folder: Pair): Promise<boolean> {
    const entries = await this.#sides.source.list(folder.source)
    return entries.every((entry) => this.#isNotCopied(entry, this.#child(folder, entry.name)))
  }

  #isKept({ isFolder, isLeftOut }: SideEntry, { relativePath }: Pair): boolean {
    return isLeftOut || this.#leftOut.excludes(relativePath, isFolder)
  }

  #isNotCopied(source: SideEntry, pair: Pair): boolean {
    return source.isSpecial || this.#isKept(source, pair)
  }

  #child({ source, dest, relativePath }: Pair, name: string, sourceName: string = name): Pair {
    return {
      source: this.#sides.source.join(source, sourceName),
      dest: this.#sides.dest.join(dest, name),
      relativePath: relativePath === '' ? name : `${relativePath}/${name}`,
    }
  }
}
