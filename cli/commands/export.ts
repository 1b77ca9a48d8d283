// `shoal export`: what is at a path as a CAR file, for the IPFS world or sealed. The file appears
// under its name only when it is whole.
import { open, rename, rm } from 'node:fs/promises'
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { addConsistency } from '../arguments.ts'
import { count } from '../output.ts'
import { joinPath } from '../paths.ts'
import { showProgress } from '../progress.ts'
import { writeOut } from './cat.ts'
import type { Command } from 'commander'
import type { FileHandle } from 'node:fs/promises'
import type { ExportOptions, Exported } from '../../node/control/exchange.ts'
import type { FileStat } from '../../node/control/files.ts'
import type { Context } from '../context.ts'
import type { Progress } from '../progress.ts'

const STDOUT = '-'

const HELP = `
A CAR file can be read by any IPFS tool and verified by the CID that is printed,
the same as that of "ipfs add -r --cid-version 1 --raw-leaves". It is not
encrypted. With --sealed, it contains the encrypted data as peers store it, and
only members of the volume can import it. If OUT is -, it is written to stdout,
and the content is read twice.

Examples:
  shoal export /photos photos.car
  shoal export /site - | ipfs dag import
  shoal export --sealed / volume.car`

export function addExport(program: Command, context: Context): void {
  const command = program
    .command('export <path> <out>')
    .description('export files and folders as a CAR file, readable by IPFS tools or sealed')
    .option('--sealed', 'keep the content encrypted, for members of the volume only')
    .option('--attributes', 'store modes and times; this changes the CIDs')
    .addHelpText('after', HELP)
    .action(async (path: string, out: string, options: ExportOptions) => {
      const exported = await run(context, path, out, options)
      checkLeftOut(exported)
      if (out !== STDOUT) context.summarize(exported, () => summary(exported))
    })
  addConsistency(command, context)
}

async function run(
  context: Context,
  path: string,
  out: string,
  options: ExportOptions,
): Promise<Exported> {
  const progress = showProgress(context, 'export')
  const measuring = new AbortController()
  const measured = measure(context, path, progress, measuring.signal)
  let exported: Exported | undefined
  const onExported = (told: Exported): void => void (exported = told)
  try {
    if (out === STDOUT) {
      const parts = context.client.exportCar(path, { ...options, onExported })
      await writeOut(context, counted(parts, progress))
    } else {
      const parts = context.client.exportCar(path, { ...options, rootLater: true, onExported })
      await writeFile(out, counted(parts, progress), () => exported?.root)
    }
  } finally {
    measuring.abort()
    await measured
    progress.end()
  }
  if (exported === undefined)
    throw new ShoalError('stopped', 'the node stopped before the export was complete; try again')
  return exported
}

/** Write under another name, then the header once more with the root in it, then rename. */
async function writeFile(
  out: string,
  parts: AsyncIterable<Uint8Array>,
  root: () => string | undefined,
): Promise<void> {
  const temporary = `${out}.${crypto.randomUUID()}.part`
  try {
    const file = await open(temporary, 'wx')
    try {
      for await (const part of parts) await file.writeFile(part)
      const known = root()
      if (known !== undefined) {
        const { encodeCarHeader, parseCid } = await import('../../protocol/car/car.ts')
        await writeAtStart(file, encodeCarHeader(parseCid(known)))
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, out)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeAtStart(file: FileHandle, bytes: Uint8Array): Promise<void> {
  await file.write(bytes, 0, bytes.length, 0)
}

async function* counted(
  parts: AsyncIterable<Uint8Array>,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    yield part
    progress.advance(part.length)
  }
}

/** Tells progress of the work to come. */
async function measure(
  { client }: Context,
  path: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const add = async (at: string, stat: FileStat): Promise<void> => {
    progress.expect(stat.sizeBytes)
    if (stat.kind !== 'folder') return
    for await (const page of client.list(at, { signal }))
      for (const child of page) await add(joinPath(at, child.name), child)
  }
  try {
    await add(path, await client.stat(path, { signal }))
  } catch {
    // The export meets it, too.
  }
}

function checkLeftOut({ root, leftOut, leftOutPaths }: Exported): void {
  if (leftOut === 0) return
  const more = leftOut > leftOutPaths.length ? ', and more' : ''
  throw new ShoalError(
    'unsupported',
    'not exported, as removed meanwhile or of a kind that CAR cannot hold: ' +
      `${leftOutPaths.join(', ')}${more}. The rest was exported as ${root}.`,
  )
}

/** "Exported 3 files (1.2 MB) as bafy..." */
function summary({ root, files, bytes }: Exported): string {
  return `Exported ${count(files, 'file')} (${formatBytes(bytes)}) as ${root}`
}
