// `shoal sync`: makes a folder of the namespace the same as one of this machine, or the other way
// round. Nothing is deleted before all of SRC was read and copied, so that a SRC that is not whole
// takes nothing away.
import { textOfPlain } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { ackOption, addConsistency, addLeftOut, preserveOption } from '../arguments.ts'
import { confirm, isAsked } from '../confirm.ts'
import { LeftOut } from '../left-out.ts'
import { LocalAttributes } from '../local-attributes.ts'
import { OpenFolder } from '../open-folder.ts'
import { printable } from '../output.ts'
import { inside, volumeOf } from '../paths.ts'
import { SyncDown, SyncUp } from '../sync-directions.ts'
import { Extras } from '../sync-extras.ts'
import { Transfer } from '../transfer.ts'
import { UNASKED_MAX } from './rm.ts'
import type { Command } from 'commander'
import type { Ack } from '../../node/control/files.ts'
import type { Context } from '../context.ts'
import type { LeftOutOptions } from '../left-out.ts'
import type { Direction, Places } from '../sync-directions.ts'
import type { Extra, FolderExtras, Pair } from '../sync-extras.ts'

const HELP = `
Makes DEST hold what SRC holds: the contents of the folder SRC are copied to the
folder DEST, which is made if need be. One of them is in Shoal, and is written
with its volume: main:/photos, or :/photos in the first volume. The other is a
local folder; one with a colon in its name is written ./a:b.

What has the same size and time is skipped; with --checksum, what has the same
content. Modes and times are preserved, and symlinks are copied as symlinks.
Local copies belong to the caller, as those of "shoal get" do.

With --delete, what SRC does not have is deleted at DEST, and what is a folder
on one side only is replaced; without it, the latter fails. This is done last,
and only if all of SRC was read and copied. If SRC is empty, --yes is needed.
What is left out of the copy is not deleted either.

Patterns are as in .gitignore, relative to SRC and DEST. The home of the node
and its mounts are never copied. A sync that was interrupted is repeated to go
on.

Examples:
  shoal sync ~/photos :/photos
  shoal sync --delete --exclude node_modules ~/code main:/code
  shoal sync --delete --dry-run :/photos /mnt/disk/photos`

interface SyncOptions extends LeftOutOptions {
  readonly ack?: Ack
  readonly checksum?: boolean
  readonly delete?: boolean
  readonly dryRun?: boolean
  readonly preserve?: boolean
  readonly yes?: boolean
}

export function addSync(program: Command, context: Context): void {
  const command = program
    .command('sync <src> <dest>')
    .description('make a folder in Shoal the same as a local one, or the reverse')
    .option('--delete', 'delete what is at DEST and not in SRC')
    .option('-y, --yes', 'delete more than 1,000 files, or all, without asking')
    .option('--checksum', 'compare files of the same size by content, not by time')
    .option('--dry-run', 'print what would be done, and do nothing')
  addLeftOut(command)
  command
    .option('--no-one-file-system', 'include what is mounted below the local folder')
    .addOption(ackOption())
    .addOption(preserveOption())
    .addHelpText('after', HELP)
    .action(async (source: string, dest: string, options: SyncOptions) => {
      const sync = await Sync.open(context, placesOf(source, dest, options), options)
      await sync.run()
      context.summarize(sync.tally, () => sync.summary())
    })
  addConsistency(command, context)
}

class Sync {
  readonly #context: Context
  readonly #transfer: Transfer
  readonly #options: SyncOptions
  readonly #direction: Direction
  readonly #extras: Extras
  #deleted = 0

  private constructor(
    context: Context,
    transfer: Transfer,
    direction: Direction,
    leftOut: LeftOut,
    options: SyncOptions,
  ) {
    this.#context = context
    this.#transfer = transfer
    this.#direction = direction
    this.#options = options
    this.#extras = new Extras(direction, leftOut)
  }

  /** throws where SRC or DEST is none. */
  static async open(context: Context, places: Places, options: SyncOptions): Promise<Sync> {
    const { checksum = false, dryRun = false, preserve = false, ack } = options
    const leftOut = await LeftOut.of(context, options)
    const transfer = new Transfer(context, { label: 'sync', done: 'synced', isDryRun: dryRun })
    const rules = { leftOut, byContent: checksum, leavesConflicts: options.delete === true }
    const components = { context, transfer, rules }
    const direction = isShared(places.dest)
      ? await SyncUp.open(components, places, ack)
      : await SyncDown.open(components, places, new LocalAttributes({ preserve }))
    return new Sync(context, transfer, direction, leftOut, options)
  }

  get tally(): object {
    return { ...this.#transfer.tally, deleted: this.#deleted }
  }

  summary(): string {
    const text = this.#transfer.summary(this.#transfer.isDryRun ? 'Would sync' : 'Synced')
    return this.#options.delete === true ? `${text}, ${this.#deleted} deleted` : text
  }

  async run(): Promise<void> {
    const direction = this.#direction
    const deletes = this.#options.delete === true && direction.isDestThere
    if (deletes) await this.#checkDeletion()
    try {
      await direction.copyAll()
      // Before anything is deleted: what is to be in its place is safe then.
      await direction.settle()
      if (deletes) await this.#deleteExtras()
    } finally {
      await direction.end()
      await this.#transfer.end()
    }
    this.#transfer.check()
  }

  /** throws if somebody must say that so much is to be deleted, and does not. */
  async #checkDeletion(): Promise<void> {
    const { yes = false, dryRun = false } = this.#options
    const { root } = this.#direction
    if (yes) return
    const [source, dest] = [printable(root.source), printable(root.dest)]
    if ((await this.#extras.isSourceEmpty(root)) && (await this.#isSomethingExtra())) {
      const what = `${source} is empty, and all that is in ${dest} would be deleted`
      if (dryRun) return this.#context.warn(`${what}; that takes --yes`)
      if (await confirm(this.#context, `${what}. Is that meant?`)) return
      throw new ShoalError('aborted', `${what}; if that is meant, repeat it with --yes`)
    }
    if (dryRun || !isAsked(this.#context)) return
    if ((await this.#extras.countFiles(root, UNASKED_MAX)) <= UNASKED_MAX) return
    if (await confirm(this.#context, `Delete more than 1,000 files in ${dest}?`)) return
    throw new ShoalError('aborted', 'nothing was copied or deleted')
  }

  async #isSomethingExtra(): Promise<boolean> {
    const { done } = await this.#extras.below(this.#direction.root).next()
    return done !== true
  }

  async #deleteExtras(): Promise<void> {
    if (!this.#transfer.isComplete) {
      const why = 'because not all of SRC could be read and copied'
      return this.#context.warn(`nothing is deleted at DEST, ${why}`)
    }
    await this.#transfer.attempt(async () => {
      for await (const some of this.#extras.below(this.#direction.root))
        await this.#deleteSome(some)
    })
    await this.#direction.drain()
    await this.#direction.settle()
  }

  async #deleteSome({ folder, extras }: FolderExtras): Promise<void> {
    const opened = await this.#open(folder)
    const staying = new Set<Extra>()
    for (const extra of extras)
      await this.#transfer.attempt(() => this.#delete(extra, opened, () => staying.add(extra)))
    const replaced = extras.filter(({ isReplaced }) => isReplaced)
    // They take the place of what is being deleted.
    if (replaced.length > 0) await this.#direction.drain()
    for (const extra of replaced)
      await this.#transfer.attempt(() => this.#replace(extra, opened, staying.has(extra)))
    await opened.leave()
  }

  /** Deletions touch a folder, too, but not where they are only told. */
  async #open(folder: Pair): Promise<OpenFolder> {
    if (this.#transfer.isDryRun) return new OpenFolder(async () => {}, undefined)
    return this.#direction.openFolder(folder)
  }

  async #replace({ pair }: Extra, folder: OpenFolder, isThere: boolean): Promise<void> {
    if (isThere) {
      throw new ShoalError(
        'ENOTEMPTY',
        `${pair.dest} cannot be replaced, because something in it stays; move that elsewhere`,
      )
    }
    await this.#direction.copy(pair, folder)
  }

  /** stays: called if it, or something in it, is not deleted. */
  async #delete({ pair, isFolder }: Extra, parent: OpenFolder, stays: () => void): Promise<void> {
    if (!isFolder) {
      const remove = (): Promise<void> => this.#remove(pair, false, stays)
      return this.#transfer.add(remove, parent)
    }
    let isEmpty = true
    const staysIn = (): void => {
      isEmpty = false
      stays()
    }
    const finish = async (): Promise<void> => {
      if (isEmpty) await this.#transfer.attempt(() => this.#remove(pair, true, stays))
    }
    const folder = new OpenFolder(finish, parent)
    try {
      for (const extra of await this.#extras.inside(pair)) {
        if (extra === undefined) staysIn()
        else await this.#transfer.attempt(() => this.#delete(extra, folder, staysIn))
      }
    } catch (error) {
      staysIn()
      throw error
    } finally {
      await folder.leave()
    }
  }

  async #remove({ dest }: Pair, isFolder: boolean, stays: () => void): Promise<void> {
    try {
      await this.#transfer.change(`delete ${dest}`, () =>
        this.#direction.dest.remove(dest, isFolder),
      )
      this.#deleted++
    } catch (error) {
      stays()
      throw error
    }
  }
}

/** throws ShoalError 'usage' unless one of both is in Shoal, and the options are for that. */
function placesOf(source: string, dest: string, { ack, preserve }: SyncOptions): Places {
  const see = 'See "shoal sync --help".'
  if (isShared(source) === isShared(dest)) {
    const which = isShared(source)
      ? 'both folders are in Shoal, and one must be local'
      : 'one folder must be in Shoal; write it with its volume, as main:/photos or :/photos'
    throw new ShoalError('usage', `${which}. ${see}`)
  }
  if (ack !== undefined && !isShared(dest))
    throw new ShoalError('usage', `--ack is for what is copied into Shoal. ${see}`)
  if (preserve !== undefined && isShared(dest))
    throw new ShoalError('usage', `--preserve is for what is copied to this machine. ${see}`)
  return { source: placeOf(source), dest: placeOf(dest) }
}

/** Is the path one of the namespace? It begins with its volume. */
function isShared(path: string): boolean {
  return volumeOf(path) !== ''
}

/** Without slashes at its end; a local one as text in which `\xHH` is a byte. */
function placeOf(path: string): string {
  if (!isShared(path)) return textOfPlain(path.replace(/(?<=.)\/+$/s, ''))
  return volumeOf(path) + (inside(path) || '/')
}
