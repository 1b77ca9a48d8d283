// Prints what a call tells in pages, as it comes.
import { hasCode } from '../../protocol/errors.ts'
import { writeOut } from '../commands/cat.ts'
import type { Context } from '../context.ts'

/** print: the lines of an item, without the end of the last. follow: it ends by being stopped. */
export async function printPages<Item>(
  context: Context,
  pages: AsyncIterable<readonly Item[]>,
  { print, follow }: { readonly print: (item: Item) => string; readonly follow: boolean },
): Promise<void> {
  try {
    await writeOut(context, printed(pages, print))
  } catch (error) {
    // To stop is how following ends.
    if (!(follow && context.signal.aborted && hasCode(error, 'aborted'))) throw error
  }
}

async function* printed<Item>(
  pages: AsyncIterable<readonly Item[]>,
  print: (item: Item) => string,
): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((item) => `${print(item)}\n`).join('')
}
