// Finds the bundle of the program (made by scripts/build-bundle.mjs), and never one that is stale:
// it counts only while each file that it was made of has the size and the modification time that it
// had then. Plain JavaScript, since it runs before anything else (shoal.mjs).
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** In the clone: bundles, each in a folder of its own, and what the newest was made of. */
export const BUNDLES = 'dist'
export const MANIFEST = join(BUNDLES, 'bundle.json')

/** Written anew whenever a package is installed, so that it stands for all of them. */
export const PACKAGES = join('node_modules', '.package-lock.json')

/**
 * @param {string} root the clone
 * @returns {{ folder?: string, reason?: string }} of the bundle, or why none can be used
 */
export function findBundle(root) {
  const manifest = readManifest(root)
  if (manifest === undefined) return { reason: 'there is no bundle' }
  const { folder, inputs } = manifest
  for (const path in inputs) {
    const { size, mtimeMs } = statSync(`${root}/${path}`, { throwIfNoEntry: false }) ?? {}
    if (size !== inputs[path][0] || mtimeMs !== inputs[path][1])
      return { reason: `${path} is not what the bundle was made of` }
  }
  const whole = join(root, BUNDLES, folder)
  return existsSync(whole) ? { folder: whole } : { reason: `${whole} is gone` }
}

/** `inputs` maps a path to its size and modification time. Undefined if there is none. */
function readManifest(root) {
  try {
    return JSON.parse(readFileSync(join(root, MANIFEST), 'utf8'))
  } catch {
    return undefined
  }
}
