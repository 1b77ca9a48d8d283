// How a command finds a backup place: by the name of a job of the running node, or by a URL and a
// key, without any node.
import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { ShoalError } from '../../protocol/errors.ts'
import type { OpenedPlace } from '../../node/backup/open-place.ts'
import type { PlaceProblem, Repository } from '../../node/backup/repository.ts'
import type { BackupAccess } from '../../node/control/backups.ts'
import { addAccessOptions, findAccess } from '../access-key.ts'
import type { AccessOptions } from '../access-key.ts'
import { parseTierUrl } from '../arguments.ts'
import type { Context } from '../context.ts'
import type { Command } from 'commander'

export interface PlaceOptions extends AccessOptions {
  readonly from?: string
  readonly keyFile?: string
  readonly endpoint?: string
  readonly region?: string
}

export const PLACE_HELP = `
Without --from, NAME is a backup of the running node. With --from and --key-file
no node and no home are needed: the place and its key are enough.`

export function addPlaceOptions(command: Command): Command {
  return addAccessOptions(
    command
      .option('--from <url>', 'place of the backups, as for "backup add"', parseTierUrl)
      .option('--key-file <file>', 'key of the backups, with --from (-: read stdin)')
      .option('--endpoint <url>', 'URL of the S3 server, with --from (default: AWS)')
      .option('--region <region>', 'region of the bucket, with --from'),
  )
}

/** A place that is open, and what the node knows of it. */
export interface FoundPlace extends AsyncDisposable {
  readonly opened: OpenedPlace
  readonly access: BackupAccess | undefined
}

/** name: that of a job; undefined with --from. throws ShoalError 'usage', 'ENOENT', 'malformed'. */
export async function findPlace(
  context: Context,
  name: string | undefined,
  options: PlaceOptions,
): Promise<FoundPlace> {
  const { from, keyFile, endpoint, region } = options
  const { openPlace } = await import('../../node/backup/open-place.ts')
  if ((from === undefined) !== (keyFile === undefined))
    throw new ShoalError('usage', 'give --from and --key-file together')
  if (from !== undefined && keyFile !== undefined) {
    const { access } = await findAccess(from, options)
    return found(openPlace({ url: from, endpoint, region, ...access }, await readKey(keyFile)))
  }
  if (name === undefined) throw new ShoalError('usage', 'give the name of a backup, or --from')
  const access = await context.client.backupAccess(name)
  return found(openPlace(access, access.key), access)
}

/** Tells of the newest backup that this node made, if the place has nothing as new. */
export function broughtBack({ access }: FoundPlace, { newest }: Repository): PlaceProblem[] {
  const known = access?.number
  if (known === undefined || (newest?.number ?? 0) >= known) return []
  const why = 'was made from here and is not there: an older state of the place was brought back'
  return [{ what: `backup ${known}`, why }]
}

/** throws ShoalError 'usage'. */
export async function readKey(file: string): Promise<string> {
  try {
    return file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8')
  } catch (cause) {
    throw new ShoalError('usage', `the backup key ${file} cannot be read`, { cause })
  }
}

function found(opened: OpenedPlace, access?: BackupAccess): FoundPlace {
  return { opened, access, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}
