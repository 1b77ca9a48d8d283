// `shoal import`: what a CAR file holds, of the IPFS world or sealed, into the namespace: all of it
// or nothing.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { textOfPlain } from '../../protocol/byte-text.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { formatBytes } from '../../protocol/size.ts'
import { ackOption, addConsistency } from '../arguments.ts'
import { count } from '../output.ts'
import { joinPath, namesFolder } from '../paths.ts'
import { showProgress } from '../progress.ts'
import type { Command } from 'commander'
import type { Client } from '../../node/control/client.ts'
import type { ImportEvent, ImportOptions } from '../../node/control/exchange.ts'
import type { Context } from '../context.ts'

type Done = Extract<ImportEvent, { kind: 'done' }>

const PART_BYTES = MIB
const STDIN = '-'

const HELP = `
IN is a CAR file with UnixFS content, as written by "shoal export", "ipfs dag
export" and others, or a sealed one of a volume that this node can read. It is
imported as DEST, which must not exist, or if DEST ends in /, into that folder,
under the name of IN without ".car". Every block is verified first. The import
is atomic: nothing is imported from a damaged or incomplete file. If IN is -,
the file is read from stdin.

Examples:
  shoal import photos.car /photos
  ipfs dag export bafybei... | shoal import - /from-ipfs`

export function addImport(program: Command, context: Context): void {
  const command = program
    .command('import <in> <dest>')
    .description('import files and folders from a CAR file')
    .option('--preserve', 'keep set-user-id and set-group-id bits; only for archives you trust')
    .addOption(ackOption())
    .addHelpText('after', HELP)
    .action(
      async (file: string, dest: string, options: Pick<ImportOptions, 'ack' | 'preserve'>) => {
        const path = await placeFor(context, file, dest)
        const { kind: _, ...done } = await run(context, file, path, options)
        context.summarize(
          { path, ...done },
          () => `Imported ${count(done.files, 'file')} (${formatBytes(done.bytes)}) to ${path}`,
        )
      },
    )
  addConsistency(command, context)
}

/**
 * DEST, or in DEST if it says that it is a folder. Only then: the same import again would come to
 * lie in what the first has made.
 */
async function placeFor({ client }: Context, file: string, dest: string): Promise<string> {
  if (!namesFolder(dest)) {
    if (!(await exists(client, dest))) return dest
    throw new ShoalError(
      'EEXIST',
      `${dest} exists already, and import merges nothing: ` +
        `choose a new path, or write ${dest}/ to import into that folder`,
    )
  }
  if (file === STDIN)
    throw new ShoalError(
      'usage',
      'with - as IN, DEST must be a new path. See "shoal import --help".',
    )
  return joinPath(dest, textOfPlain(basename(file).replace(/\.car$/, '')))
}

async function exists(client: Client, path: string): Promise<boolean> {
  try {
    await client.stat(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'no-such-volume')) return false
    throw error
  }
}

async function run(
  context: Context,
  file: string,
  path: string,
  { ack, preserve }: Pick<ImportOptions, 'ack' | 'preserve'>,
): Promise<Done> {
  const progress = showProgress(context, 'import')
  const sizeBytes = file === STDIN ? undefined : (await stat(file)).size
  progress.expect(sizeBytes ?? 0)
  const source =
    file === STDIN ? process.stdin : createReadStream(file, { highWaterMark: PART_BYTES })
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const part of source as AsyncIterable<Uint8Array>) {
      yield part
      progress.advance(part.length)
    }
  }
  let done: Done | undefined
  let made = 0
  try {
    const options = { sizeBytes, ack, preserve }
    for await (const events of context.client.importCar(path, counted(), options)) {
      for (const event of events) {
        if (event.kind === 'verified') progress.expect(event.bytes)
        else {
          progress.advance(event.bytes - made)
          made = event.bytes
        }
        if (event.kind === 'done') done = event
      }
    }
  } finally {
    progress.end()
    source.destroy()
  }
  if (done === undefined)
    throw new ShoalError(
      'stopped',
      'the node stopped before the import was complete; nothing was imported',
    )
  return done
}
