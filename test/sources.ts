// The sources of Shoal as tests of their shape read them: each file with what it imports.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const FOLDERS: readonly string[] = [
  'client',
  'protocol',
  'node',
  'cli',
  'console',
  'simulations',
  'bench',
  'scripts',
  'test',
]

export interface Import {
  readonly target: string
  readonly typeOnly: boolean
  /** Loaded with the file, not when something in it runs. */
  readonly atStart: boolean
}

export interface SourceFile {
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

export const root: string = join(import.meta.dirname, '..')
export const files: readonly SourceFile[] = readSources()
export const byPath: ReadonlyMap<string, SourceFile> = new Map(
  files.map((file) => [file.path, file]),
)

export function reachable(
  entries: readonly string[],
  counts: (one: Import) => boolean = () => true,
): ReadonlySet<string> {
  const reached = new Set(entries)
  for (const path of reached) {
    for (const one of byPath.get(path)?.imports ?? []) if (counts(one)) reached.add(one.target)
  }
  return reached
}

function readSources(): readonly SourceFile[] {
  const patterns = FOLDERS.map((folder) => `${folder}/**/*.{ts,tsx,mjs}`)
  const paths = globSync(patterns, { cwd: root, exclude: ['protocol/kernels/assembly/**'] }).sort()
  return paths.map((path) => {
    const text = readFileSync(join(root, path), 'utf8')
    return { path, text, imports: importsOf(path, text) }
  })
}

/**
 * Imports and re-exports; and quoted relative paths elsewhere, since those start workers and
 * processes.
 */
function importsOf(path: string, text: string): readonly Import[] {
  const statement =
    /^(?:import|export)\s+(?:(?<clause>[\w\s{},*$]*?)\sfrom\s+)?'(?<from>[^'\n]+)'/gm
  const elsewhere =
    /\bimport\('(?<module>[^'\n]+)'\)|['"`](?<file>\.{1,2}\/[\w./-]+\.(?:tsx?|mjs))['"`]/g
  const imports = new Map<string, Import>()
  for (const { groups } of text.matchAll(statement)) {
    const target = targetOf(path, groups?.['from'] ?? '')
    const typeOnly =
      /^type\s/.test(groups?.['clause'] ?? '') && imports.get(target)?.typeOnly !== false
    imports.set(target, { target, typeOnly, atStart: !typeOnly })
  }
  for (const { groups } of text.replace(statement, '').matchAll(elsewhere)) {
    const target = targetOf(path, groups?.['module'] ?? groups?.['file'] ?? '')
    imports.set(target, { target, typeOnly: false, atStart: imports.get(target)?.atStart === true })
  }
  return [...imports.values()]
}

function targetOf(path: string, from: string): string {
  return from.startsWith('.') ? normalize(join(dirname(path), from)) : from
}

export function found(path: string, text: string, pattern: RegExp, why: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()} (${why})`] : [],
    )
}

export function topFolder(path: string): string {
  return path.split('/')[0] ?? ''
}

export function isOurs(target: string): boolean {
  return FOLDERS.includes(topFolder(target)) && target.includes('/')
}

export function none(breaches: readonly string[]): void {
  assert.equal(breaches.length, 0, `\n${breaches.join('\n')}`)
}
