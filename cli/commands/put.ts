// `shoal put`: files and trees of this machine into the namespace. Files are replaced whole, and
// what is there already with the same size and time is left alone, so a put that was interrupted is
// repeated to go on.
import { lstat, open } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import PQueue from 'p-queue'
import { textOfPlain } from '../../protocol/byte-text.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { ackOption, addConsistency, collect } from '../arguments.ts'
import { baseName, joinPath, namesFolder, parentPath, rootOf } from '../paths.ts'
import { localChild, localNames, localTarget, localText } from '../local-path.ts'
import { LeftOut } from '../left-out.ts'
import type { LocalPath } from '../local-path.ts'
import type { LeftOutOptions } from '../left-out.ts'
import { printable } from '../output.ts'
import { Transfer, sameTime } from '../transfer.ts'
import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Ack, FileStat } from '../../node/control/files.ts'
import type { Context } from '../context.ts'

const PART_BYTES = MIB
/**
 * Files of so many bytes are put one after the other: what is put at a time is mixed where it is
 * stored.
 */
const LARGE_BYTES: number = 8 * MIB
const PERMISSIONS = 0o7777n
const STDIN = '-'

const HELP = `
A file is copied to DEST, or into DEST if that is a folder. A folder is copied
to DEST with its contents, merging with an existing folder. With several SRC, or
if DEST ends in /, each SRC is copied into DEST. Missing folders on the way to
DEST are created, which "shoal mkdir" does with --parents. Modes and times are
preserved, and symlinks are copied as symlinks. If SRC is -, stdin is written to
the file DEST. Files that exist with the same size and time are skipped.

Patterns are as in .gitignore, relative to each SRC. The home of the node and
its mounts are never copied.

Examples:
  shoal put cat.jpg dog.jpg /photos/
  shoal put --ack placed ~/thesis /thesis
  shoal put --exclude node_modules --exclude '*.tmp' ~/code /code
  pg_dump shop | shoal put - /backups/shop.sql`

export function addPut(program: Command, context: Context): void {
  const command = program
    .command('put')
    .argument('<path...>', 'SRC... DEST')
    .usage('[options] SRC... DEST')
    .description('copy local files and folders into the namespace')
    .addOption(ackOption())
    .option('--exclude <pattern>', 'leave out what matches (repeatable)', collect)
    .option('--exclude-from <file>', 'leave out what matches a pattern in FILE', collect)
    .option('--no-one-file-system', 'copy what is mounted below SRC, too')
    .option('--dry-run', 'print what would be copied, and copy nothing')
    .addHelpText('after', HELP)
    .action(async (paths: readonly string[], options: PutOptions) => {
      const dest = paths.at(-1)
      if (paths.length < 2 || dest === undefined)
        throw new ShoalError('usage', 'put needs SRC and DEST. See "shoal put --help".')
      const put = new Put(context, await LeftOut.of(context, options), options.dryRun === true)
      await put.run(paths.slice(0, -1), dest, options.ack)
      const verb = options.dryRun === true ? 'Would put' : 'Put'
      context.print(put.transfer.tally, () => put.transfer.summary(verb))
    })
  addConsistency(command, context)
}

interface PutOptions extends LeftOutOptions {
  readonly ack?: Ack
  readonly dryRun?: boolean
}

/** A file or folder of this machine, within the SRC that is put. */
interface Source {
  readonly path: LocalPath
  /** From that SRC on; '' for itself. */
  readonly relativePath: string
  /** The device that SRC is on. */
  readonly device: bigint
}

class Put {
  readonly transfer: Transfer
  readonly #leftOut: LeftOut
  readonly #isDryRun: boolean
  readonly #context: Context
  readonly #folders: { readonly path: string; readonly stat: BigIntStats }[] = []
  readonly #large = new PQueue({ concurrency: 1 })

  constructor(context: Context, leftOut: LeftOut, isDryRun: boolean) {
    this.#context = context
    this.#leftOut = leftOut
    this.#isDryRun = isDryRun
    this.transfer = new Transfer(context, 'put')
  }

  async run(sources: readonly string[], dest: string, ack: Ack | undefined): Promise<void> {
    const { client } = this.#context
    try {
      // A node that has no volume yet makes one when it is first written to.
      await this.#change(() => client.makeFolder(rootOf(dest), { parents: true }))
      for (const source of sources) {
        await this.transfer.attempt(() => this.#putSource(source, dest, sources.length > 1))
      }
      await this.transfer.drain()
      // Last, because each file that came in touched its folder.
      for (const { path, stat } of this.#folders) {
        const change = (): Promise<void> => client.setAttributes(path, attributesOf(stat))
        await this.transfer.add(() => this.#change(change))
      }
      await this.transfer.drain()
      await this.#change(() => client.settle(ack))
    } finally {
      await this.transfer.end()
    }
    this.transfer.check()
  }

  async #putSource(source: string, dest: string, several: boolean): Promise<void> {
    if (source === STDIN) return this.#putStdin(dest, several)
    const stat = await lstat(source, { bigint: true })
    const refusal = stat.isDirectory() ? this.#leftOut.refusalOf(stat) : undefined
    if (refusal !== undefined)
      throw new ShoalError('usage', `${source} cannot be copied: ${refusal}`)
    let existing = await this.#find(dest)
    const into =
      several || namesFolder(dest) || (existing?.kind === 'folder' && !stat.isDirectory())
    const path = into ? joinPath(dest, textOfPlain(basename(resolve(source)))) : dest
    if (into) existing = await this.#find(path)
    if (existing === undefined) await this.#makeFolder(parentPath(path))
    await this.#putEntry({ path: source, relativePath: '', device: stat.dev }, path, existing)
  }

  async #putStdin(path: string, several: boolean): Promise<void> {
    if (several || namesFolder(path)) {
      throw new ShoalError(
        'usage',
        'with - as SRC, DEST must be the path of one file. See "shoal put --help".',
      )
    }
    const { client } = this.#context
    if (this.#isDryRun) return this.#wouldPut(STDIN, path, 0)
    await this.#makeFolder(parentPath(path))
    try {
      await client.writeFile(path, this.transfer.counted(process.stdin), {}, { ack: 'none' })
    } finally {
      process.stdin.destroy()
    }
    this.transfer.tally.files++
  }

  async #putEntry(from: Source, path: string, existing: FileStat | undefined): Promise<void> {
    const { path: source, relativePath, device } = from
    const stat = await lstat(source, { bigint: true })
    if (relativePath !== '') {
      if (this.#leftOut.excludes(relativePath, stat)) return
      const reason = this.#leftOut.reasonFor(stat, device)
      if (reason !== undefined)
        return this.#context.warn(`${printable(localText(source))} is left out: ${reason}`)
    }
    if (stat.isDirectory()) return this.#putFolder(from, path, stat, existing)
    if (existing?.kind === 'folder') {
      throw new ShoalError(
        'EISDIR',
        `${path} is a folder but ${localText(source)} is not; remove one of them and try again`,
      )
    }
    if (stat.isSymbolicLink())
      return this.transfer.add(() => this.#putSymlink(source, path, existing))
    if (stat.isFile()) {
      this.transfer.expect(Number(stat.size))
      const put = (): Promise<void> => this.#putFile(source, path, stat, existing)
      return this.transfer.add(() => (stat.size < LARGE_BYTES ? put() : this.#large.add(put)))
    }
    throw new ShoalError(
      'unsupported',
      `${localText(source)} is not a file, folder or symlink; skipped`,
    )
  }

  async #putFolder(
    { path: source, relativePath, device }: Source,
    path: string,
    stat: BigIntStats,
    existing: FileStat | undefined,
  ): Promise<void> {
    if (existing !== undefined && existing.kind !== 'folder') {
      throw new ShoalError(
        'ENOTDIR',
        `${path} is a file but ${localText(source)} is a folder; remove one of them and try again`,
      )
    }
    const children = new Map<string, FileStat>()
    if (existing === undefined) await this.#makeFolder(path)
    else
      for await (const page of this.#context.client.list(path))
        for (const child of page) children.set(child.name, child)
    // Files that are put one after the other are stored together, and are listed, and so read, in
    // this order.
    for (const name of await localNames(source)) {
      const below = relativePath === '' ? name : `${relativePath}/${name}`
      const child = { path: localChild(source, name), relativePath: below, device }
      await this.transfer.attempt(() =>
        this.#putEntry(child, joinPath(path, name), children.get(name)),
      )
    }
    this.transfer.tally.folders++
    // The root of a volume has no attributes worth keeping.
    if (baseName(path) !== '') this.#folders.push({ path, stat })
  }

  async #putFile(
    source: LocalPath,
    path: string,
    stat: BigIntStats,
    existing: FileStat | undefined,
  ): Promise<void> {
    const { client } = this.#context
    const size = Number(stat.size)
    if (
      existing?.kind === 'file' &&
      existing.sizeBytes === size &&
      sameTime(existing.modifiedNs, stat.mtimeNs)
    ) {
      const { mode } = attributesOf(stat)
      if (existing.mode !== mode) await this.#change(() => client.setAttributes(path, { mode }))
      return this.transfer.skip(size)
    }
    if (this.#isDryRun) return this.#wouldPut(source, path, size)
    const file = await open(source)
    try {
      const content = this.transfer.counted(partsOf(file, size))
      await client.writeFile(path, content, attributesOf(stat), { ack: 'none' })
    } finally {
      await file.close()
    }
    this.transfer.tally.files++
  }

  async #putSymlink(
    source: LocalPath,
    path: string,
    existing: FileStat | undefined,
  ): Promise<void> {
    const target = await localTarget(source)
    this.transfer.tally.symlinks++
    const { client } = this.#context
    if (existing?.target !== target)
      await this.#change(() => client.makeSymlink(path, target, { ack: 'none' }))
  }

  /** Makes a change, unless it is only to be told of. */
  async #change(make: () => Promise<unknown>): Promise<void> {
    if (!this.#isDryRun) await make()
  }

  #makeFolder(path: string): Promise<void> {
    const { client } = this.#context
    return this.#change(() => client.makeFolder(path, { parents: true, ack: 'none' }))
  }

  #wouldPut(source: LocalPath, path: string, size: number): void {
    const { json, stdout } = this.#context
    if (!json) stdout.write(`${printable(localText(source))} -> ${printable(path)}\n`)
    this.transfer.tally.files++
    this.transfer.copied(size)
  }

  async #find(path: string): Promise<FileStat | undefined> {
    try {
      return await this.#context.client.stat(path)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }
}

function attributesOf(stat: BigIntStats): { readonly mode: number; readonly modifiedNs: bigint } {
  return { mode: Number(stat.mode & PERMISSIONS), modifiedNs: stat.mtimeNs }
}

/** The content from here to its end, also where the file is not `size` bytes long any more. */
async function* partsOf(file: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  // One byte more than there should be, so that a small file and its end are found by one read.
  const length = Math.min(PART_BYTES, size + 1)
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length)
    if (bytesRead > 0) yield buffer.subarray(0, bytesRead)
    if (bytesRead < length) return
  }
}
