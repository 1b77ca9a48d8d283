// Changes to modules as they are loaded, by the hooks of node:module, so that production code has
// no switch that only a simulation sets. They hold for the thread that made them and for modules it
// has not loaded yet.
import { registerHooks } from 'node:module'

/** One text of one file, put in place of another. */
export interface Patch {
  /** Path from the root of the repository. */
  readonly file: string
  /** Is in the file exactly once. */
  readonly find: string
  readonly replace: string
}

/**
 * Load the file of `patch` with its text replaced. The import throws if `find` is not there exactly
 * once.
 */
export function patchSource(patch: Patch): void {
  const patched = urlOf(patch.file)
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      if (url !== patched) return loaded
      return { ...loaded, source: applyPatch(patch, sourceText(loaded.source)) }
    },
  })
}

/** Sign as signed.ts does: it is loaded wherever protocol/signed.ts is asked for, but by itself. */
export function signCheaply(): void {
  const replaced = urlOf('protocol/signed.ts')
  const url = new URL('./signed.ts', import.meta.url).href
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const resolved = nextResolve(specifier, context)
      return resolved.url === replaced && context.parentURL !== url
        ? { ...resolved, url }
        : resolved
    },
  })
}

/** throws RangeError unless `find` is in the text exactly once. */
export function applyPatch({ file, find, replace }: Patch, text: string): string {
  const parts = text.split(find)
  if (parts.length === 2) return parts.join(replace)
  throw new RangeError(`${file} has ${parts.length - 1} times what a patch replaces: ${find}`)
}

function sourceText(source: string | ArrayBuffer | NodeJS.TypedArray | null | undefined): string {
  return typeof source === 'string' ? source : new TextDecoder().decode(source ?? undefined)
}

function urlOf(file: string): string {
  return new URL(`../${file}`, import.meta.url).href
}
