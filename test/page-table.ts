// Tables of documents that are made from lists of the program. With UPDATE=1 in the environment
// they are written anew.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import prettier from 'prettier'

const TABLE = /(<!-- made by [^>]*-->\n)([\s\S]*)(<!-- end -->)/

/** The table of a page, between its two comments, has these rows, the first of them its head. */
export async function checkTable(
  page: string,
  rows: readonly (readonly string[])[],
): Promise<void> {
  const path = join(import.meta.dirname, '..', page)
  const [head = [], ...others] = rows
  const lines = [head, head.map(() => '-'), ...others].map((cells) => `| ${cells.join(' | ')} |`)
  const before = await readFile(path, 'utf8')
  const made = before.replace(TABLE, (_, begin: string, __, end: string) => {
    return `${begin}\n${lines.join('\n')}\n\n${end}`
  })
  const options = await prettier.resolveConfig(path)
  const whole = await prettier.format(made, { ...options, filepath: path })
  if (process.env['UPDATE'] === undefined) assert.equal(before, whole)
  else await writeFile(path, whole)
}
