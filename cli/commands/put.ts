// `shoal put`: files and trees of this machine into the namespace.
import { lstat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { textOfPlain } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { ackOption, addConsistency, addLeftOut } from '../arguments.ts'
import { LeftOut } from '../left-out.ts'
import { joinPath, namesFolder, parentPath, refuseLocal, rootOf } from '../paths.ts'
import { PutTree } from '../put-tree.ts'
import { Transfer } from '../transfer.ts'
import type { Command } from 'commander'
import type { Ack } from '../../node/control/files.ts'
import type { Context } from '../context.ts'
import type { LeftOutOptions } from '../left-out.ts'

const STDIN = '-'

const HELP = `
A file is copied to DEST, or into DEST if that is a folder. A folder is copied
to DEST with its contents, merging with an existing folder. With several SRC, or
if DEST ends in /, each SRC is copied into DEST. Missing folders on the way to
DEST are created, which "shoal mkdir" does with --parents. Modes and times are
preserved, and symlinks are copied as symlinks. If SRC is -, stdin is written to
the file DEST. Files that exist with the same size and time are skipped.

Patterns are as in .gitignore, relative to each SRC. Homes of nodes, mounts of
Shoal, and file systems of the kernel such as /proc are never copied.

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
  addLeftOut(command)
  command
    .option('--no-one-file-system', 'copy what is mounted below SRC, too')
    .option('--dry-run', 'print what would be copied, and copy nothing')
    .addHelpText('after', HELP)
    .action(async (paths: readonly string[], options: PutOptions) => {
      const dest = paths.at(-1)
      if (paths.length < 2 || dest === undefined)
        throw new ShoalError('usage', 'put needs SRC and DEST. See "shoal put --help".')
      await refuseLocal(dest)
      const put = new Put(context, await LeftOut.of(context, options), options.dryRun === true)
      await put.run(paths.slice(0, -1), dest, options.ack)
      const verb = options.dryRun === true ? 'Would put' : 'Put'
      context.summarize(put.transfer.tally, () => put.transfer.summary(verb))
    })
  addConsistency(command, context)
}

interface PutOptions extends LeftOutOptions {
  readonly ack?: Ack
  readonly dryRun?: boolean
}

class Put {
  readonly transfer: Transfer
  readonly #context: Context
  readonly #leftOut: LeftOut
  readonly #tree: PutTree

  constructor(context: Context, leftOut: LeftOut, isDryRun: boolean) {
    this.#context = context
    this.#leftOut = leftOut
    this.transfer = new Transfer(context, { label: 'put', done: 'copied', isDryRun })
    const rules = { leftOut, byContent: false, leavesConflicts: false }
    this.#tree = new PutTree(context, this.transfer, rules)
  }

  async run(sources: readonly string[], dest: string, ack: Ack | undefined): Promise<void> {
    try {
      // A node that has no volume yet makes one when it is first written to.
      await this.#tree.makeParents(rootOf(dest))
      for (const source of sources) {
        await this.transfer.attempt(() => this.#putSource(source, dest, sources.length > 1))
      }
      await this.#tree.drain()
      if (!this.transfer.isDryRun) await this.#context.client.settle(ack)
    } finally {
      await this.#tree.end()
      await this.transfer.end()
    }
    this.transfer.check()
  }

  async #putSource(source: string, dest: string, several: boolean): Promise<void> {
    if (source === STDIN) return this.#putStdin(dest, several)
    const stat = await lstat(source, { bigint: true })
    const refusal = stat.isDirectory() ? await this.#leftOut.refusalOf(source) : undefined
    if (refusal !== undefined)
      throw new ShoalError('usage', `${source} cannot be copied: ${refusal}`)
    let existing = await this.#tree.find(dest)
    const into =
      several || namesFolder(dest) || (existing?.kind === 'folder' && !stat.isDirectory())
    const path = into ? joinPath(dest, textOfPlain(basename(resolve(source)))) : dest
    if (into) existing = await this.#tree.find(path)
    if (existing === undefined) await this.#tree.makeParents(parentPath(path))
    await this.#tree.put(
      { path: textOfPlain(source), relativePath: '', device: stat.dev },
      path,
      existing,
    )
  }

  async #putStdin(path: string, several: boolean): Promise<void> {
    if (several || namesFolder(path)) {
      throw new ShoalError(
        'usage',
        'with - as SRC, DEST must be the path of one file. See "shoal put --help".',
      )
    }
    await this.#tree.makeParents(parentPath(path))
    await this.transfer.change(`${STDIN} -> ${path}`, async () => {
      try {
        const content = this.transfer.counted(process.stdin)
        await this.#context.client.writeFile(path, content, {}, { ack: 'none' })
      } finally {
        process.stdin.destroy()
      }
    })
    this.transfer.tally.files++
  }
}
