// The rules of DESIGN §2 and STYLE §1 that no single file shows: who imports whom, no cycles, no file that nothing
// reaches, names and lengths. What one file shows by its syntax (types, functions too long, globals that read time or
// chance) is the linter's. Each test names every breach at once, one a line.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const FILE_LINES_MAX = 400

/** What each top folder may import beside itself. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  node: ['protocol'],
  cli: ['node', 'protocol'],
  simulations: ['node', 'protocol'],
  bench: ['cli', 'node', 'protocol', 'test'],
  scripts: ['protocol'],
  test: ['cli', 'node', 'protocol', 'scripts', 'simulations'],
}

/** The only files of protocol/ that may import a package or a builtin: one door each, to what is pure and synchronous. */
const PROTOCOL_DOORS: ReadonlySet<string> = new Set(
  [
    'hash',
    'cipher',
    'compress',
    'cbor',
    'signed',
    'ids',
    'kernels/load',
    'car/car',
    'car/unixfs',
  ].map((name) => `protocol/${name}.ts`),
)

/**
 * The floors of node/, lowest first. A room may import its own files and those of lower floors, never another room of
 * its floor. A file directly in node/ is a room of its own.
 */
const NODE_FLOORS: readonly (readonly string[])[] = [
  ['world'],
  ['config.ts', 'errors.ts', 'worker.ts', 'observe'],
  ['store'],
  ['peers'],
  ['data', 'namespace'],
  ['files'],
  ['upkeep'],
  ['mount', 'tier', 'exchange', 'control'],
  ['api'],
  ['node.ts', 'protection.ts'],
  ['index.ts'],
]

/** Files of interfaces, whose types any room of node/ may name; and what of the world is as pure as they. */
const NODE_SEAMS: ReadonlySet<string> = new Set([
  'node/world/world.ts',
  'node/world/abort-listeners.ts',
  'node/world/budget.ts',
  'node/world/token-bucket.ts',
  'node/store/kv.ts',
  'node/mount/file-system.ts',
  'node/control/api.ts',
  'node/control/cold.ts',
  'node/control/exchange.ts',
  'node/control/garbage.ts',
  'node/control/pins.ts',
  'node/control/recovery.ts',
  'node/control/security.ts',
  'node/control/status.ts',
  'node/control/tickets.ts',
  'node/control/upkeep.ts',
])

/** What the command has of a node: it starts one in its process, or speaks to one over the control socket. */
const CLI_DOORS: ReadonlySet<string> = new Set([
  'node/index.ts',
  'node/config.ts',
  'node/protection.ts',
  'node/control/wire.ts',
  'node/control/small-files.ts',
])

/** What starts by itself; everything else in these folders must be reachable from here. */
const ENTRIES: readonly string[] = [
  'node/index.ts',
  'cli/shoal.mjs',
  'cli/main.ts',
  'simulations/run.ts',
  'bench/run.ts',
]

/** What takes tenths of a second to load: codecs, hashes, curves, the node. */
const LATE = /^protocol\/(cbor|hash|ids|signed)\.ts$|^node\/(?!control\/(wire|small-files)\.ts)/

const BANNED_NAMES = /(^|[-/])(utils?|helpers?|common|manager|service)([-./]|$)/

const BANNED_TEXTS: readonly { readonly text: RegExp; readonly why: string }[] = [
  { text: /\b(TODO|FIXME|XXX)\b/, why: 'is work left undone' },
  { text: /@ts-(ignore|expect-error|nocheck)/, why: 'gives up types' },
  { text: /((ox|es)lint-disable|prettier-ignore)(?!.* -- )/, why: 'silences a rule, unexplained' },
  { text: /\b(test|it|describe|suite)\.(only|todo)\(/, why: 'leaves tests out' },
  { text: /\/work\/|\/root\/|registry\.npmjs/, why: 'belongs to one machine' },
]

/** Time and chance that the linter's lists of globals cannot name. */
const OUTSIDE_TEXTS: readonly RegExp[] = [
  /\bnew Date\(\)/,
  /'(node:)?timers(\/promises)?'/,
  /\b(randomBytes|randomUUID|randomInt|randomFill(Sync)?|getRandomValues)\b/,
]

interface Import {
  readonly target: string
  readonly typeOnly: boolean
  /** Loaded with the file, not when something in it runs. */
  readonly atStart: boolean
}

interface SourceFile {
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

const root = join(import.meta.dirname, '..')
const files = readSources()
const byPath: ReadonlyMap<string, SourceFile> = new Map(files.map((file) => [file.path, file]))

test('imports between folders go down only', () => {
  none(eachImport(folderBreach))
})

test('imports between the rooms of node go down only', () => {
  none(eachImport(roomBreach))
})

test('protocol is closed to the outside but for its doors', () => {
  none(
    eachImport((file, { target }) =>
      topFolder(file.path) !== 'protocol' || isOurs(target) || PROTOCOL_DOORS.has(file.path)
        ? undefined
        : 'only a door may',
    ),
  )
})

test('every imported file of ours is there', () => {
  none(
    eachImport((_file, { target }) =>
      !isOurs(target) || byPath.has(target) || isPlainFile(target) ? undefined : 'it is not there',
    ),
  )
})

test('no file imports itself by way of others', () => {
  none(cycles())
})

test('every file is reached from an entry', () => {
  const product = ENTRIES.filter((path) => byPath.has(path))
  const reachedByProduct = reachable(product)
  const others = files.map((file) => file.path).filter((path) => /^(test|scripts)\//.test(path))
  const starts = others.filter((path) => /\.test\.ts$|^scripts\/|^test\/run\.ts$/.test(path))
  const reachedByTests = reachable(starts)
  none(
    files
      .filter(({ path }) => !reachedByProduct.has(path))
      .filter(({ path }) => !(others.includes(path) && reachedByTests.has(path)))
      .map(({ path }) => `${path}: nothing that runs imports it`),
  )
})

test('a command that asks a node starts without what only nodes need', () => {
  const started = reachable(['cli/main.ts'], ({ atStart }) => atStart)
  none([...started].filter((path) => LATE.test(path)).map((path) => `${path}: import it when used`))
  assert(started.has('cli/commands/ls.ts'))
})

test('files are short, open with what is true of them, and have plain names', () => {
  none(
    files.flatMap(({ path, text }) => {
      const lines = text.split('\n').length - 1
      return [
        lines > FILE_LINES_MAX ? `${path}: ${lines} lines, over ${FILE_LINES_MAX}` : '',
        /^(#!.*\n)?\/[/*]/.test(text) ? '' : `${path}: opens without a comment`,
        BANNED_NAMES.test(path) ? `${path}: its name says nothing` : '',
        /^[a-z0-9./-]+$/.test(path) ? '' : `${path}: its name is not kebab-case`,
      ].filter((breach) => breach !== '')
    }),
  )
})

test('no source has words that do not belong in it', () => {
  const here = normalize('test/tidy.test.ts')
  none(
    files
      .filter(({ path }) => path !== here)
      .flatMap(({ path, text }) =>
        BANNED_TEXTS.flatMap((banned) => found(path, text, banned.text, banned.why)),
      ),
  )
})

test('only the world, and the config that it is made from, read time and chance', () => {
  const outside = /^node\/(world\/|config\.ts$)/
  none(
    files
      .filter(({ path }) => /^(protocol|node)\//.test(path) && !outside.test(path))
      .flatMap(({ path, text }) =>
        OUTSIDE_TEXTS.flatMap((pattern) => found(path, text, pattern, 'take it from World')),
      ),
  )
})

/** What has a program to run when it is installed, which is not run: these come with what that would make. */
const INSTALL_SCRIPTS: readonly string[] = ['classic-level', 'fuse-native', 'koffi']

test('the lockfile serves every platform, names no registry, and has the hash of every package', () => {
  const text = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const packages = (JSON.parse(text) as { packages: Record<string, LockedPackage> }).packages
  none([
    ...found('package-lock.json', text, /"resolved"/, 'names a registry'),
    ...Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter(
          (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
        )
        .map((name) => `${name} is missing: choose a version of ${path} that all platforms have`),
    ),
    ...Object.entries(packages).flatMap(([path, { integrity = '', hasInstallScript = false }]) => {
      if (path === '') return []
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      return [
        ...(/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity) ? [] : [`${path} has no sha512`]),
        ...(hasInstallScript && !INSTALL_SCRIPTS.includes(name)
          ? [`${path} runs a program when it is installed`]
          : []),
      ]
    }),
  ])
  assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m)
})

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly integrity?: string
  readonly hasInstallScript?: boolean
}

/** Why `file` must not import `imported` from where it is, or undefined. */
function folderBreach(file: SourceFile, imported: Import): string | undefined {
  const [from, to] = [topFolder(file.path), topFolder(imported.target)]
  if (!isOurs(imported.target) || from === to) return undefined
  if (!(FOLDERS[from] ?? []).includes(to)) return `${from} may not import ${to}`
  if (from === 'cli' && to === 'node' && !CLI_DOORS.has(imported.target)) {
    return imported.typeOnly && NODE_SEAMS.has(imported.target) ? undefined : 'not a door of node'
  }
  if (from === 'simulations' && imported.target.startsWith('node/world/')) {
    return NODE_SEAMS.has(imported.target) ? undefined : 'simulations bring their own world'
  }
  return undefined
}

function roomBreach(file: SourceFile, { target, typeOnly }: Import): string | undefined {
  if (topFolder(file.path) !== 'node' || topFolder(target) !== 'node') return undefined
  if (typeOnly && NODE_SEAMS.has(target)) return undefined
  const [from, to] = [roomOf(file.path), roomOf(target)]
  if (from === to) return undefined
  const [floorFrom, floorTo] = [floorOf(from), floorOf(to)]
  if (floorFrom < 0 || floorTo < 0)
    return `${floorFrom < 0 ? from : to} has no floor in NODE_FLOORS`
  return floorTo < floorFrom ? undefined : `node/${from} may not import node/${to}`
}

function eachImport(breach: (file: SourceFile, imported: Import) => string | undefined): string[] {
  return files.flatMap((file) =>
    file.imports.flatMap((imported) => {
      const why = breach(file, imported)
      return why === undefined ? [] : [`${file.path} imports ${imported.target}: ${why}`]
    }),
  )
}

/** One line a cycle of imports. Types are erased: two files of a room may name each other's. */
function cycles(): string[] {
  const done = new Set<string>()
  const lines: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) lines.push([...trail.slice(start), path].join(' -> '))
    if (start >= 0 || done.has(path)) return
    for (const { target, typeOnly } of byPath.get(path)?.imports ?? []) {
      if (!typeOnly && byPath.has(target)) visit(target, [...trail, path])
    }
    done.add(path)
  }
  for (const { path } of files) visit(path, [])
  return lines
}

function reachable(
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
  const patterns = Object.keys(FOLDERS).map((folder) => `${folder}/**/*.{ts,mjs}`)
  const paths = globSync(patterns, { cwd: root, exclude: ['protocol/kernels/assembly/**'] }).sort()
  return paths.map((path) => {
    const text = readFileSync(join(root, path), 'utf8')
    return { path, text, imports: importsOf(path, text) }
  })
}

/** Imports and re-exports; and quoted relative paths elsewhere, since those start workers and processes. */
function importsOf(path: string, text: string): readonly Import[] {
  const statement =
    /^(?:import|export)\s+(?:(?<clause>[\w\s{},*$]*?)\sfrom\s+)?'(?<from>[^'\n]+)'/gm
  const elsewhere =
    /\bimport\('(?<module>[^'\n]+)'\)|['"`](?<file>\.{1,2}\/[\w./-]+\.(?:ts|mjs))['"`]/g
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

function found(path: string, text: string, pattern: RegExp, why: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()} (${why})`] : [],
    )
}

function topFolder(path: string): string {
  return path.split('/')[0] ?? ''
}

function roomOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function floorOf(room: string): number {
  return NODE_FLOORS.findIndex((rooms) => rooms.includes(room))
}

function isOurs(target: string): boolean {
  return topFolder(target) in FOLDERS && target.includes('/')
}

function isPlainFile(target: string): boolean {
  return !/\.(ts|mjs)$/.test(target)
}

function none(breaches: readonly string[]): void {
  assert.equal(breaches.length, 0, `\n${breaches.join('\n')}`)
}
