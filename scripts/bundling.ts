// How packages are bundled: for the program (build-bundle.mjs), and for tests (test/packages.ts).
import type { InputOptions } from 'rolldown'

/** Packages that find files of their own beside their code: native addons. They stay outside. */
export const NATIVE: readonly string[] = [
  '@napi-rs/blake-hash',
  'classic-level',
  'fuse-native',
  'koffi',
]

export const BUNDLING: InputOptions = {
  platform: 'node',
  external: [/^node:/, ...NATIVE],
  // The files that Node would load, where a package has others for browsers and bundlers.
  resolve: { mainFields: ['main'] },
}
