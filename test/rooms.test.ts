// The imports between rooms, and the size of rooms: the rules of docs/architecture.md. Each test
// names every breach at once, one a line.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { byPath, files, isOurs, none, root, topFolder } from './sources.ts'
import type { Import, SourceFile } from './sources.ts'

/** A folder of the product with more than this is several rooms. */
const FOLDER_FILES_MAX = 35
const FOLDER_LINES_MAX = 5000
const SOURCE_NAME = /[\w./-]+\.tsx?\b/g

/** The folders that each top folder may import besides itself. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  client: [],
  protocol: [],
  node: ['protocol'],
  cli: ['node', 'protocol'],
  console: ['client', 'node', 'protocol'],
  simulations: ['node', 'protocol'],
  bench: ['cli', 'node', 'protocol', 'test'],
  scripts: ['cli', 'client', 'node', 'protocol'],
  test: ['bench', 'cli', 'client', 'console', 'node', 'protocol', 'scripts', 'simulations'],
}

/**
 * The only files of protocol/ that may import a package or a builtin: one door each, to what is
 * pure and synchronous.
 */
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
 * The floors of node/, lowest first. A room may import its own files and those of lower floors,
 * never another room of its floor. A file directly in node/ is a room of its own.
 */
const NODE_FLOORS: readonly (readonly string[])[] = [
  ['jobs'],
  ['world'],
  ['door-config.ts', 'traces'],
  ['config.ts'],
  ['door-settings.ts'],
  ['home.ts'],
  ['store'],
  ['observe'],
  ['state', 'peers'],
  ['shard-map'],
  ['stripes', 'replica'],
  ['content', 'log', 'repair'],
  ['tree', 'consensus', 'checkpoint'],
  ['sync'],
  ['volume'],
  ['pinning', 'clones'],
  ['gc'],
  ['upkeep.ts'],
  ['mount', 'cold', 'exchange', 'control', 'accounts'],
  ['backup', 'alerts', 'doors'],
  ['handlers'],
  ['metrics'],
  ['components.ts', 'protection.ts'],
  ['node.ts'],
  ['index.ts'],
]

/**
 * Rooms about bytes, which know nothing of names, and rooms about the log that tells names.
 * `volume` joins them.
 */
const BYTES_ROOMS: ReadonlySet<string> = new Set(['stripes', 'content', 'repair'])
const LOG_ROOMS: ReadonlySet<string> = new Set(['state', 'replica', 'log'])

/**
 * Files of interfaces, whose types any room of node/ may name; and what of the world is as pure as
 * they.
 */
const NODE_SEAMS: ReadonlySet<string> = new Set([
  'node/world/world.ts',
  'node/world/unlucky-sites.ts',
  'node/world/abort-listeners.ts',
  'node/world/budget.ts',
  'node/world/fill-by-frames.ts',
  'node/world/token-bucket.ts',
  'node/store/kv.ts',
  'node/mount/file-system.ts',
  'node/control/api.ts',
  'node/control/observe/alerts.ts',
  'node/control/accounts.ts',
  'node/control/backups.ts',
  'node/control/clones.ts',
  'node/control/cold.ts',
  'node/control/conflicts.ts',
  'node/control/doors.ts',
  'node/control/exchange.ts',
  'node/control/files.ts',
  'node/control/garbage.ts',
  'node/control/history.ts',
  'node/control/holders.ts',
  'node/control/leaving.ts',
  'node/control/observe/logs.ts',
  'node/control/losses.ts',
  'node/metrics/meter.ts',
  'node/observe/log-events.ts',
  'node/control/mounts.ts',
  'node/control/peers.ts',
  'node/control/pins.ts',
  'node/control/recovery.ts',
  'node/control/observe/security.ts',
  'node/control/observe/watch.ts',
  'node/control/snapshots.ts',
  'node/control/status.ts',
  'node/control/tickets.ts',
  'node/control/upkeep.ts',
  'node/control/versions.ts',
  'node/control/volumes.ts',
])

/**
 * The parts of a node that the command uses: it starts one in its process, or speaks to one over
 * the control socket.
 */
const CLI_DOORS: ReadonlySet<string> = new Set([
  'node/index.ts',
  'node/backup/open-place.ts',
  'node/backup/pack-reader.ts',
  'node/backup/repository.ts',
  'node/backup/restored-tree.ts',
  'node/backup/tree-reader.ts',
  'node/backup/verify-place.ts',
  'node/world/native-files.ts',
  'node/config.ts',
  'node/home.ts',
  'node/protection.ts',
  'node/control/client.ts',
  'node/control/wire.ts',
  'node/control/small-files.ts',
  'node/world/closed-home.ts',
  'node/world/exit-now.ts',
  'node/world/file-systems.ts',
  'node/world/home-files.ts',
  'node/world/make-folder.ts',
  'node/world/own-subnets.ts',
])

test('imports between folders go down only', () => {
  none(eachImport(folderBreach))
})

test('imports between the rooms of node go down only', () => {
  none(eachImport(roomBreach))
})

test('rooms are small, and the map names each', () => {
  const map = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  const folders = Map.groupBy(
    files.filter(({ path }) => /^(node|protocol|cli|console)\//.test(path)),
    ({ path }) => dirname(path),
  )
  const rooms = new Set(
    files
      .map(({ path }) => path)
      .filter(isOfNode)
      .map(roomOf),
  )
  none([
    ...Array.from(folders, ([folder, inside]) => {
      const lines = inside.reduce((sum, { text }) => sum + text.split('\n').length - 1, 0)
      const isLarge = inside.length > FOLDER_FILES_MAX || lines > FOLDER_LINES_MAX
      return isLarge ? `${folder}: ${inside.length} files, ${lines} lines` : ''
    }).filter((breach) => breach !== ''),
    ...[...rooms]
      .filter((room) => !map.includes(`| \`${room.endsWith('.ts') ? room : `${room}/`}\` `))
      .map((room) => `docs/architecture.md does not say what node/${room} is`),
  ])
})

test('every source that the docs name is there', () => {
  const paths = globSync(['README.md', 'docs/**/*.md'], { cwd: root })
  const isThere = (name: string): boolean =>
    files.some(({ path }) => path === name || path.endsWith(`/${name}`))
  none(
    paths.flatMap((path) =>
      Array.from(readFileSync(join(root, path), 'utf8').matchAll(SOURCE_NAME), ([name]) => name)
        .filter((name) => !isThere(name.replace(/^(\.\.?\/)+/, '')))
        .map((name) => `${path} names ${name}`),
    ),
  )
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

/** Why `file` must not import `imported` from where it is, or undefined. */
function folderBreach(file: SourceFile, imported: Import): string | undefined {
  const [from, to] = [topFolder(file.path), topFolder(imported.target)]
  if (!isOurs(imported.target) || from === to) return undefined
  if (!(FOLDERS[from] ?? []).includes(to)) return `${from} may not import ${to}`
  if (from === 'cli' && to === 'node' && !CLI_DOORS.has(imported.target)) {
    return imported.typeOnly && NODE_SEAMS.has(imported.target) ? undefined : 'not a door of node'
  }
  if (from === 'console' && to === 'node' && !imported.typeOnly)
    return 'the page has types of node alone'
  if (from === 'simulations' && imported.target.startsWith('node/world/')) {
    return NODE_SEAMS.has(imported.target) ? undefined : 'simulations bring their own world'
  }
  return undefined
}

function isOfNode(path: string): boolean {
  return topFolder(path) === 'node'
}

function roomBreach(file: SourceFile, { target, typeOnly }: Import): string | undefined {
  if (topFolder(file.path) !== 'node' || topFolder(target) !== 'node') return undefined
  if (typeOnly && NODE_SEAMS.has(target)) return undefined
  const [from, to] = [roomOf(file.path), roomOf(target)]
  if (from === to) return undefined
  const [floorFrom, floorTo] = [floorOf(from), floorOf(to)]
  if (floorFrom < 0 || floorTo < 0)
    return `${floorFrom < 0 ? from : to} has no floor in NODE_FLOORS`
  if (BYTES_ROOMS.has(from) && LOG_ROOMS.has(to)) return 'what deals with bytes knows no names'
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

function roomOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function floorOf(room: string): number {
  return NODE_FLOORS.findIndex((rooms) => rooms.includes(room))
}

function isPlainFile(target: string): boolean {
  return !/\.(tsx?|mjs)$/.test(target)
}
