// `shoal cat`: the bytes of files as they are, on stdout. With --json only failures are JSON.
import { once } from 'node:events'
import { addConsistency, parseCount } from '../arguments.ts'
import { WHEN_HELP, versionId, parseWhen } from '../past/when.ts'
import type { When } from '../past/when.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

interface CatOptions {
  readonly offset?: number
  readonly length?: number
  readonly at?: When
}

export function addCat(program: Command, context: Context): void {
  const command = program
    .command('cat <path...>')
    .description('write file contents to stdout')
    .option('--offset <bytes>', 'start at this offset', parseCount)
    .option('--length <bytes>', 'write at most this many', parseCount)
    .option('--at <when>', 'as it was then: time, age, snapshot, or id of a version', parseWhen)
    .addHelpText(
      'after',
      `${WHEN_HELP}

Examples:
  shoal cat --offset 1048576 --length 4096 /disk.img | xxd
  shoal cat --at 2h /docs/plan.txt`,
    )
    .action(async (paths: readonly string[], options: CatOptions) => {
      const { at } = options
      for (const path of paths) {
        const version = await versionId(context, path, at)
        const { content } = await context.client.readFile(path, {
          offsetBytes: options.offset,
          lengthBytes: options.length,
          version,
        })
        await writeOut(context, content)
      }
    })
  addConsistency(command, context)
}

/** Onto stdout, as fast as who reads it. */
export async function writeOut(
  { stdout, signal }: Context,
  content: AsyncIterable<Uint8Array | string>,
): Promise<void> {
  for await (const part of content) {
    if (!stdout.write(part)) await once(stdout, 'drain', { signal })
  }
}
