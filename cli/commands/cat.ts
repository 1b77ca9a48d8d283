// `shoal cat`: the bytes of files as they are, on stdout. With --json only failures are JSON.
import { once } from 'node:events'
import { addConsistency, parseCount } from '../arguments.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addCat(program: Command, context: Context): void {
  const command = program
    .command('cat <path...>')
    .description('write file contents to stdout')
    .option('--offset <bytes>', 'start at this offset', parseCount)
    .option('--length <bytes>', 'write at most this many', parseCount)
    .addHelpText('after', '\nExample:\n  shoal cat --offset 1048576 --length 4096 /disk.img | xxd')
    .action(async (paths: readonly string[], options: { offset?: number; length?: number }) => {
      for (const path of paths) {
        const { content } = await context.client.readFile(path, {
          offsetBytes: options.offset,
          lengthBytes: options.length,
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
