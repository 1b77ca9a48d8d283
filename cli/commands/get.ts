// `shoal get`: files and trees of the namespace onto this machine. A file appears under its name only when it is whole,
// and what is there already with the same size and time is left alone, so that an interrupted get is repeated to go on.
import { randomUUID } from 'node:crypto'
import {
  chmod,
  lstat,
  mkdir,
  open,
  readlink,
  rename,
  rm,
  stat as followStat,
  symlink,
  utimes,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { addConsistency } from '../arguments.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { kindText } from '../../protocol/tree/file-kind.ts'
import { MIB, SECOND_MS } from '../../protocol/units.ts'
import { baseName, joinPath } from '../paths.ts'
import { writeSparse } from '../sparse-file.ts'
import { Transfer, sameTime } from '../transfer.ts'
import { writeOut } from './cat.ts'
import type { BigIntStats } from 'node:fs'
import type { Command } from 'commander'
import type { FileStat } from '../../node/control/api.ts'
import type { Context } from '../context.ts'

const PERMISSIONS = 0o7777n
const OWNER_ALL = 0o700
const STDOUT = '-'
const WRITE_BYTES: number = MIB / 2

const HELP = `
A file SRC becomes DEST, or goes into DEST if that is a folder. A folder SRC becomes DEST with all
that is in it, or is merged into it; with a / at the end of DEST (or . as DEST) it goes into DEST.
Mode and time are kept, and symlinks stay symlinks. With - as DEST, the bytes of a file go to stdout.

Examples:
  shoal get /photos/cat.jpg .
  shoal get /thesis ~/thesis-copy`

export function addGet(program: Command, context: Context): void {
  const command = program
    .command('get <src> <dest>')
    .description('copy files and folders of the namespace onto this machine')
    .addHelpText('after', HELP)
    .action(async (source: string, dest: string) => {
      if (dest === STDOUT) return writeOut(context, (await context.client.readFile(source)).content)
      const get = new Get(context, source)
      await get.run(dest)
      context.print(get.transfer.tally, () => get.transfer.summary('Got'))
    })
  addConsistency(command, context)
}

class Get {
  readonly transfer: Transfer
  readonly #context: Context
  readonly #source: string
  readonly #folders: { readonly target: string; readonly stat: FileStat }[] = []

  constructor(context: Context, source: string) {
    this.#context = context
    this.#source = source
    this.transfer = new Transfer(context, 'get')
  }

  async run(dest: string): Promise<void> {
    const source = this.#source
    try {
      const stat = await this.#context.client.stat(source)
      const into = /(^|\/)\.{0,2}$/.test(dest) || (stat.kind !== 'folder' && (await isFolder(dest)))
      if (into) await mkdir(dest, { recursive: true })
      await this.transfer.attempt(() =>
        this.#getEntry(source, into ? join(dest, baseName(source)) : dest, stat),
      )
      await this.transfer.drain()
      // Last and from the inside out, because each file that came in touched its folder, and a folder may be read-only.
      for (const { target, stat } of this.#folders.toReversed()) {
        await this.transfer.attempt(async () => {
          await utimes(target, Date.now() / SECOND_MS, seconds(stat.modifiedNs))
          await chmod(target, stat.mode)
        })
      }
    } finally {
      await this.transfer.end()
    }
    this.transfer.check()
  }

  async #getEntry(path: string, target: string, stat: FileStat): Promise<void> {
    switch (stat.kind) {
      case 'folder':
        return this.#getFolder(path, target, stat)
      case 'file':
        this.transfer.expect(stat.sizeBytes)
        return this.transfer.add(() => this.#getFile(path, target, stat))
      case 'symlink':
        return this.transfer.add(() => this.#getSymlink(target, stat))
      default:
        throw new ShoalError('unsupported', `${path} is a ${kindText(stat.kind)}. It was left out.`)
    }
  }

  async #getFolder(path: string, target: string, stat: FileStat): Promise<void> {
    await makeFolder(target, path === this.#source)
    // Nobody asked for the attributes of a volume's root.
    if (baseName(path) !== '') this.#folders.push({ target, stat })
    for await (const page of this.#context.client.list(path)) {
      for (const child of page) {
        await this.transfer.attempt(() =>
          this.#getEntry(joinPath(path, child.name), join(target, safe(child.name)), child),
        )
      }
    }
    this.transfer.tally.folders++
  }

  async #getFile(path: string, target: string, stat: FileStat): Promise<void> {
    const local = await find(target)
    if (
      local?.isFile() === true &&
      Number(local.size) === stat.sizeBytes &&
      sameTime(local.mtimeNs, stat.modifiedNs)
    ) {
      if (Number(local.mode & PERMISSIONS) !== stat.mode) await chmod(target, stat.mode)
      return this.transfer.skip(stat.sizeBytes)
    }
    await replace(target, local, async (temporary) => {
      const { stat, content } = await this.#context.client.readFile(path)
      const file = await open(temporary, 'wx', 0o600)
      try {
        await writeSparse(file, grouped(this.transfer.counted(content)))
        await file.chmod(stat.mode)
        await file.utimes(Date.now() / SECOND_MS, seconds(stat.modifiedNs))
      } finally {
        await file.close()
      }
    })
    this.transfer.tally.files++
  }

  async #getSymlink(target: string, stat: FileStat): Promise<void> {
    const local = await find(target)
    const points = stat.target ?? ''
    this.transfer.tally.symlinks++
    if (local?.isSymbolicLink() === true && (await readlink(target)) === points) return
    await replace(target, local, (temporary) => symlink(points, temporary))
  }
}

/** Only the folder that the user named may be reached through a symlink: what is below is as the namespace has it. */
async function makeFolder(target: string, named: boolean): Promise<void> {
  if (named) {
    await mkdir(target, { recursive: true })
    return
  }
  try {
    await mkdir(target, OWNER_ALL)
  } catch (error) {
    if (!(await lstat(target)).isDirectory()) throw error
  }
}

/** Make a file under another name, then let it take the place of `local` in one step. */
async function replace(
  target: string,
  local: BigIntStats | undefined,
  make: (temporary: string) => Promise<void>,
): Promise<void> {
  if (local?.isDirectory() === true) {
    throw new ShoalError(
      'EISDIR',
      `${target} is a folder here and a file there. Remove one of them, then repeat.`,
    )
  }
  const temporary = join(dirname(target), `.shoal-${randomUUID()}`)
  try {
    await make(temporary)
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** The same bytes in larger parts: a write of the disk costs more than a copy. */
async function* grouped(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let group: Uint8Array[] = []
  let bytes = 0
  for await (const part of parts) {
    group.push(part)
    bytes += part.byteLength
    if (bytes < WRITE_BYTES) continue
    yield Buffer.concat(group)
    group = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(group)
}

/** A name of the namespace as a name in a local folder; other members choose them. */
function safe(name: string): string {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return name
  throw new ShoalError('unsupported', `"${name}" cannot name a local file. It was left out.`)
}

async function find(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await followStat(path)).isDirectory()
  } catch {
    return false
  }
}

function seconds(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e9
}
