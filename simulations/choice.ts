// The next action of a user, chosen at its time by what the node shows then: an existing path, or a
// name out of so few that users get in each other's way. The simultaneous actions of users of
// several nodes are chosen by what the first of them sees.
import { TIER_NAME } from './cluster.ts'
import { CLONES_FOLDER } from './shown.ts'
import { STRONG_FOLDER, chooseStrong } from './strong-calls.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { Ack, FileStat } from '../node/control/files.ts'
import type { Settings } from '../node/control/volumes.ts'
import type { Contents } from './content.ts'
import type { SeededRandom } from './random.ts'
import type { DuelKind, OpKind, UserOp } from './script.ts'

const FOLDER_NAMES = ['docs', 'music', 'Docs'] as const
const FILE_NAMES = ['a', 'b', 'c.txt', 'd.tar.gz', 'e'] as const
const XATTR_NAMES = ['user.a', 'user.b'] as const
/** Below it are files that only their writer touches, once. */
const OWN = 'own'
/** Settings that users change in a volume with a cold tier. */
const TOGGLES: readonly Settings[] = [
  { keep: 'none' },
  { keep: 'copies1' },
  { keep: 'all' },
  { 'cold-after': '10m' },
  { 'cold-after': '6h' },
  { 'cold-after': 'never' },
  { 'cold-tier': 'none' },
  { 'cold-tier': TIER_NAME },
]
const APART: readonly string[] = [OWN, STRONG_FOLDER, CLONES_FOLDER]

export interface Chooser {
  readonly api: NodeApi
  readonly random: SeededRandom
  readonly contents: Contents
  readonly nodeCount: number
}

/** An action of a given kind for a user of `node`. */
export async function chooseOp(kind: OpKind, node: string, by: Chooser): Promise<UserOp> {
  const { random } = by
  switch (kind) {
    case 'folder':
      return { kind, path: somewhere(random), parents: random.chance(0.7) }
    case 'write':
      return write(somePath(random), by)
    case 'rewrite':
      return write(await something(by), by)
    case 'own':
      return { ...write(ownPath(node, random), by), ack: 'local' }
    case 'close': {
      const isOwn = random.chance(0.7)
      const path = isOwn ? ownPath(node, random) : somePath(random)
      const sizeBytes = random.chance(0.7)
        ? by.contents.freshSize(random)
        : by.contents.freshStoredSize(random)
      return { kind, path, sizeBytes }
    }
    case 'move':
      return { kind, from: await something(by), to: target(random) }
    case 'remove':
      return { kind, path: await something(by), recursive: random.chance(0.3) }
    case 'attributes':
      return { kind, path: await something(by), mode: 0o400 + random.below(0o400) }
    case 'xattr': {
      const name = random.pick(XATTR_NAMES)
      const value = random.chance(0.25) ? {} : { value: random.word().toString(36) }
      const path = random.chance(0.5) ? `/${random.pick(FOLDER_NAMES)}` : await something(by)
      return { kind, path, name, ...value }
    }
    case 'read':
      return { kind, path: await something(by) }
    case 'keep':
      return { kind, path: await someConflict(by) }
    case 'save': {
      const path = await someConflict(by, 'plain')
      const fate = random.number()
      if (fate < 0.35) return { kind: 'remove', path, recursive: false }
      return fate < 0.75
        ? { kind: 'move', from: await something(by, 'file'), to: path }
        : { kind: 'move', from: path, to: target(random) }
    }
    case 'roam': {
      const path = ownPath(node, random)
      const sizeBytes = by.contents.freshSize(random)
      return { kind, path, sizeBytes, to: random.below(by.nodeCount) }
    }
    case 'strong':
      return chooseStrong(random, by.contents)
    case 'store':
      return someStore(node, by)
    case 'push':
    case 'recall': {
      const fate = random.number()
      return { kind, path: fate < 0.3 ? '/' : fate < 0.7 ? `/${OWN}` : await something(by) }
    }
    case 'snapshot':
    case 'clone':
      return kind === 'snapshot' ? someSnapshot(by) : someClone(by)
    case 'collect':
      return { kind }
    case 'set':
    case 'shorten':
      return { kind: 'set', settings: random.pick(kind === 'set' ? TOGGLES : SHORTER) }
  }
}

/** Rules that keep less than the one that scenarios begin with, and that. */
const SHORTER: readonly Settings[] = ['2m:all', '10m:all,4h:1h', '20m:all,8h:20m'].map(
  (versions) => ({ versions }),
)

/** Simultaneous actions of `count` users on the same names, one op each. */
export async function chooseDuel(
  kind: DuelKind,
  count: number,
  by: Chooser,
): Promise<readonly UserOp[]> {
  const { random } = by
  const each = (op: (index: number) => UserOp): readonly UserOp[] =>
    Array.from({ length: count }, (_, index) => op(index))
  switch (kind) {
    case 'write both': {
      const path = random.chance(0.5) ? somePath(random) : await something(by, 'file')
      return each(() => write(path, by))
    }
    case 'make both': {
      const path = `${somewhere(random)}/${random.pick(FOLDER_NAMES)}`
      return each(() => ({ kind: 'folder', path, parents: true }))
    }
    case 'folder or file': {
      const path = `/${random.pick(FILE_NAMES)}`
      return each((index) =>
        index === 0 ? { kind: 'folder', path, parents: false } : write(path, by),
      )
    }
    case 'move into each other': {
      const folders: string[] = []
      for (let i = 0; i < count; i++) folders.push(await something(by, 'folder'))
      return each((index) => ({
        kind: 'move',
        from: folders[index] ?? '/',
        to: folders[(index + 1) % count] ?? '/',
      }))
    }
    case 'move one thing twice': {
      const from = await something(by)
      return each(() => ({ kind: 'move', from, to: target(random) }))
    }
    case 'move onto one name': {
      const to = somePath(random)
      const things = [await something(by), await something(by), await something(by)]
      return each((index) => ({ kind: 'move', from: things[index] ?? '/', to }))
    }
    case 'replace while written': {
      const [from, to] = [await something(by, 'file'), await something(by, 'file')]
      return each((index) => (index === 0 ? { kind: 'move', from, to } : write(to, by)))
    }
    case 'remove while written': {
      const folder = await something(by, 'folder')
      const inside = `${folder === '/' ? '' : folder}/${random.pick(FILE_NAMES)}`
      return each((index) =>
        index === 0 ? { kind: 'remove', path: folder, recursive: true } : write(inside, by),
      )
    }
    case 'discard while written': {
      const path = await something(by, 'file')
      const over = random.chance(0.5) ? { by: await something(by, 'file') } : {}
      const sizeBytes = by.contents.freshSize(random)
      return each((index) =>
        index === 0 ? { kind: 'discard', path, sizeBytes, ...over } : write(path, by),
      )
    }
    case 'remove while moved': {
      const path = await something(by)
      return each((index) =>
        index === 0
          ? { kind: 'remove', path, recursive: true }
          : { kind: 'move', from: path, to: target(random) },
      )
    }
  }
}

function write(path: string, { random, contents }: Chooser): Extract<UserOp, { kind: 'write' }> {
  return { kind: 'write', path, sizeBytes: contents.freshSize(random), ack: someAck(random) }
}

function someStore(node: string, { random, contents }: Chooser): UserOp {
  const isOwn = random.chance(0.5)
  const path = isOwn ? ownPath(node, random) : somePath(random)
  const sizeBytes = contents.freshStoredSize(random)
  return { kind: 'write', path, sizeBytes, ack: isOwn ? 'local' : someAck(random) }
}

/** One that is to be made, or removed. */
async function someSnapshot({ api, random }: Chooser): Promise<UserOp> {
  const known = await api.listSnapshots()
  const removes = known.length > 0 && random.chance(0.25)
  const name = removes ? random.pick(known).name : `s${random.word().toString(36)}`
  return { kind: 'snapshot', name, removes }
}

/** One of a snapshot, or of something that the node shows now. */
async function someClone(by: Chooser): Promise<UserOp> {
  const { api, random } = by
  const known = await api.listSnapshots()
  const name = `c${random.word().toString(36)}`
  if (known.length === 0 || random.chance(0.5))
    return { kind: 'clone', path: await something(by), name }
  return { kind: 'clone', path: '/', snapshot: random.pick(known).name, name }
}

/** A path of a file that only its writer touches. */
function ownPath(node: string, random: SeededRandom): string {
  return `/${OWN}/${node}-${random.word().toString(36)}`
}

function someAck(random: SeededRandom): Ack {
  const fate = random.number()
  if (fate < 0.3) return 'none'
  if (fate < 0.9) return 'local'
  return fate < 0.95 ? 'copied' : 'placed'
}

function somewhere(random: SeededRandom): string {
  const depth = 1 + random.below(3)
  return Array.from({ length: depth }, () => `/${random.pick(FOLDER_NAMES)}`).join('')
}

function somePath(random: SeededRandom): string {
  const folder = random.chance(0.4) ? '' : somewhere(random)
  return `${folder}/${random.pick(FILE_NAMES)}`
}

/** A path to move something to. */
function target(random: SeededRandom): string {
  return random.chance(0.6) ? somePath(random) : somewhere(random)
}

/** The path of a side of a conflict; of what is not there if there is none. */
async function someConflict({ api, random }: Chooser, which?: 'plain'): Promise<string> {
  const paths: string[] = []
  for await (const page of api.listConflicts('/')) {
    for (const { path, sides } of page)
      paths.push(...(which === 'plain' ? [path] : sides.map((side) => side.path)))
  }
  return paths.length === 0 ? `/${FOLDER_NAMES[0]}` : random.pick(paths)
}

/** The path of something that the node shows now, conflict copies included; of nobody's own. */
async function something({ api, random }: Chooser, kind?: 'file' | 'folder'): Promise<string> {
  let path = ''
  for (;;) {
    const names: FileStat[] = []
    for await (const page of api.list(path === '' ? '/' : path)) names.push(...page)
    const candidates = names.filter(
      (stat) =>
        (path !== '' || !APART.includes(stat.name)) &&
        (kind === undefined || stat.kind === kind || stat.kind === 'folder'),
    )
    // Nobody means all that there is: what is not there is refused.
    if (candidates.length === 0) return path === '' ? `/${FOLDER_NAMES[0]}` : path
    const chosen = random.pick(candidates)
    path += `/${chosen.name}`
    if (chosen.kind !== 'folder' || (kind !== 'file' && random.chance(0.4))) return path
  }
}

/** An op that takes long, and tells how far it is. */
export function longWork(
  api: NodeApi,
  op: Extract<UserOp, { kind: 'push' | 'recall' | 'collect' }>,
  signal: AbortSignal,
): AsyncIterable<unknown> {
  if (op.kind === 'collect') return api.collectGarbage({ signal })
  return op.kind === 'push'
    ? api.pushCold(op.path, { signal })
    : api.recallCold(op.path, { signal })
}
