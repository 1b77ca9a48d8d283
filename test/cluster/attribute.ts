// Extended attributes of files in mounts of nodes, by a process of their own: this one must not
// wait for a node that waits for it.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PROGRAM = fileURLToPath(new URL('./attribute-program.ts', import.meta.url))

/** The value of an attribute, once it is set if one is given. */
export async function attribute(path: string, name: string, value?: string): Promise<string> {
  const words = [PROGRAM, path, name, ...(value === undefined ? [] : [value])]
  return (await promisify(execFile)(process.execPath, words)).stdout
}
