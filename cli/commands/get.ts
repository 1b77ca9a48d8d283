// `shoal get`: files and trees of the namespace onto this machine.
import { dirname } from 'node:path'
import { textOfPlain } from '../../protocol/byte-text.ts'
import { addConsistency, preserveOption } from '../arguments.ts'
import { GetTree } from '../get-tree.ts'
import { LocalAttributes } from '../local-attributes.ts'
import { findLocal } from '../local-files.ts'
import { localChild, makeLocalFolders } from '../local-path.ts'
import { baseName } from '../paths.ts'
import { Transfer } from '../transfer.ts'
import { WHEN_HELP, versionId, parseWhen } from '../past/when.ts'
import type { When } from '../past/when.ts'
import type { FileStat } from '../../node/control/files.ts'
import { writeOut } from './cat.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

const STDOUT = '-'

const HELP = `
A file is copied to DEST, or into DEST if that is a folder. A folder is copied
to DEST with its contents, merging with an existing folder; if DEST is . or ends
in /, it is copied into DEST. Missing folders on the way to DEST are created.
Times are preserved; symlinks are copied as symlinks. Copies belong to the
caller, with permissions limited by the umask and without set-user-id bits;
--preserve keeps all mode bits and, for root, owners. If DEST is -, a file is
written to stdout. Files that exist with the same size and time are skipped.
With --at, a file is copied as it was; for a folder, see "shoal restore".
${WHEN_HELP}

Examples:
  shoal get /photos/cat.jpg .
  shoal get /thesis ~/thesis-copy`

interface GetOptions {
  readonly preserve?: boolean
  readonly at?: When
}

export function addGet(program: Command, context: Context): void {
  const command = program
    .command('get <src> <dest>')
    .description('copy files and folders from the namespace to this machine')
    .addOption(preserveOption())
    .option('--at <when>', 'a file as it was: time, age, snapshot, or id of a version', parseWhen)
    .addHelpText('after', HELP)
    .action(async (source: string, dest: string, { preserve = false, at }: GetOptions) => {
      const version = await versionId(context, source, at)
      if (dest === STDOUT)
        return writeOut(context, (await context.client.readFile(source, { version })).content)
      const transfer = new Transfer(context, { label: 'get', done: 'copied' })
      const rules = { byContent: false, leavesConflicts: false }
      const tree = new GetTree(context, transfer, new LocalAttributes({ preserve }), rules)
      try {
        const stat = await statOf(context, source, version)
        const isFolder = findLocal(textOfPlain(dest), { follows: true })?.isDirectory() === true
        const into = /(^|\/)\.{0,2}$/.test(dest) || (stat.kind !== 'folder' && isFolder)
        const [place, name] = [textOfPlain(dest), baseName(source)]
        if (into) await makeLocalFolders(place)
        else if (stat.kind !== 'folder') await makeLocalFolders(dirname(place))
        const target = into && name !== '' ? localChild(place, name) : place
        await transfer.attempt(() =>
          tree.get({ path: source, relativePath: '', stat, target, version }),
        )
        await tree.drain()
      } finally {
        await tree.end()
        await transfer.end()
      }
      transfer.check()
      context.summarize(transfer.tally, () => transfer.summary('Got'))
    })
  addConsistency(command, context)
}

/** The file that is there now, or a version of it. */
async function statOf(
  { client }: Context,
  path: string,
  version: string | undefined,
): Promise<FileStat> {
  if (version === undefined) return client.stat(path)
  const { stat, content } = await client.readFile(path, { version, lengthBytes: 0 })
  for await (const _ of content) break
  return stat
}
