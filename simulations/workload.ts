// What users do to a cluster: each node has one who makes, writes, moves, removes and changes at random, in a tree so
// small that they get in each other's way; and files of their own, by which the checkers see that nothing
// acknowledged is lost. Refusals that a user of a file system expects are counted; any other error fails the run.
import { toHex } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { blake3 } from '../protocol/hash.ts'
import { KIB } from '../protocol/units.ts'
import { SeededRandom } from './random.ts'
import type { ClusterNode } from './cluster.ts'
import type { Ack, FileStat, NodeApi } from '../node/control/api.ts'
import type { Clock } from '../node/world/world.ts'
import type { ErrorCode } from '../protocol/errors.ts'

/** Mean pause between two operations of one user. */
const PAUSE_MS = 150
const FOLDER_NAMES = ['docs', 'music', 'Docs'] as const
const FILE_NAMES = ['a', 'b', 'c.txt', 'd.tar.gz', 'e'] as const
/** How often each kind of operation is done, relative to the others. */
const WEIGHTS = {
  folder: 4,
  write: 8,
  rewrite: 4,
  own: 3,
  move: 5,
  remove: 3,
  attributes: 4,
  read: 2,
} as const
type Kind = keyof typeof WEIGHTS

const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ENOENT',
  'EEXIST',
  'ENOTDIR',
  'EISDIR',
  'ENOTEMPTY',
  'EINVAL',
  'EBUSY',
  'ESTALE',
  'not-placed',
  'chunk-unavailable',
  'stripe-unrecoverable',
  'unreachable',
  'timeout',
  'stopped',
])

/** What the users did. */
export interface Tally {
  opCount: number
  refusedCount: number
  /** Path and content hash of files that are each written once, by one user, and acknowledged as durable. */
  readonly acknowledged: Map<string, string>
}

export class User {
  readonly #node: ClusterNode
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #random: SeededRandom
  #ownCount = 0

  constructor(components: { node: ClusterNode; clock: Clock; tally: Tally }) {
    const { node, clock, tally } = components
    this.#node = node
    this.#clock = clock
    this.#tally = tally
    this.#random = new SeededRandom(node.machine.process.scheduler.seed, `user of ${node.name}`)
  }

  /** Do `count` operations with pauses. A node that is down refuses them. */
  async work(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.#clock.sleep(2 * PAUSE_MS * this.#random.number())
      await this.#do(this.#pickKind())
    }
  }

  /** What users of two sides of a cut must not do, all at the same paths. */
  async provoke(): Promise<void> {
    await this.#try((api) => this.#write(api, '/shared', 'local'))
    await this.#try((api) => api.setAttributes('/shared', this.#attributes()))
    const [from, to] = this.#random.chance(0.5) ? ['/left', '/right'] : ['/right', '/left']
    await this.#try((api) => api.move(from, to))
  }

  async #do(kind: Kind): Promise<void> {
    const random = this.#random
    switch (kind) {
      case 'folder':
        return this.#try((api) => api.makeFolder(this.#folder(), { parents: random.chance(0.7) }))
      case 'write':
        return this.#try((api) => this.#write(api, this.#path(), this.#ack()))
      case 'rewrite':
        return this.#try(async (api) => this.#write(api, await this.#existing(api), this.#ack()))
      case 'own':
        return this.#writeOwn()
      case 'move':
        return this.#try(async (api) => api.move(await this.#existing(api), this.#target()))
      case 'remove': {
        const recursive = random.chance(0.3)
        return this.#try(async (api) => api.remove(await this.#existing(api), { recursive }))
      }
      case 'attributes':
        return this.#try(async (api) =>
          api.setAttributes(await this.#existing(api), this.#attributes()),
        )
      case 'read':
        return this.#try(async (api) => read(api, await this.#existing(api)))
    }
  }

  async #writeOwn(): Promise<void> {
    const path = `/own/${this.#node.name}-${this.#ownCount++}`
    await this.#try(async (api) => {
      const hash = await this.#write(api, path, 'local')
      this.#tally.acknowledged.set(path, hash)
    })
  }

  async #try(operation: (api: NodeApi) => Promise<unknown>): Promise<void> {
    this.#tally.opCount++
    try {
      await this.#node.ask(operation)
    } catch (error) {
      if (!(error instanceof ShoalError) || !REFUSALS.has(error.code)) throw error
      this.#tally.refusedCount++
    }
  }

  /** returns the hash of what was written. */
  async #write(api: NodeApi, path: string, ack: Ack): Promise<string> {
    const content = this.#random.bytes(this.#size())
    await api.writeFile(path, inParts(content), {}, { ack })
    return toHex(blake3(content))
  }

  /** Mostly in the log itself, some in chunks, a few of many chunks. */
  #size(): number {
    const fate = this.#random.number()
    if (fate < 0.6) return this.#random.below(2 * KIB)
    return fate < 0.9 ? this.#random.below(64 * KIB) : this.#random.below(800 * KIB)
  }

  #ack(): Ack {
    const fate = this.#random.number()
    if (fate < 0.3) return 'none'
    if (fate < 0.9) return 'local'
    return fate < 0.95 ? 'copied' : 'placed'
  }

  #attributes(): { mode: number; modifiedNs: bigint } {
    const mode = 0o400 + this.#random.below(0o400)
    return { mode, modifiedNs: BigInt(this.#random.below(1e9)) * 1_000_000_007n }
  }

  #folder(): string {
    const depth = 1 + this.#random.below(3)
    return Array.from({ length: depth }, () => `/${this.#random.pick(FOLDER_NAMES)}`).join('')
  }

  #path(): string {
    const folder = this.#random.chance(0.4) ? '' : this.#folder()
    return `${folder}/${this.#random.pick(FILE_NAMES)}`
  }

  /** Where to move something. */
  #target(): string {
    return this.#random.chance(0.6) ? this.#path() : this.#folder()
  }

  /** The path of something that the node shows now, conflict copies included; of nobody's own. */
  async #existing(api: NodeApi): Promise<string> {
    let path = ''
    for (;;) {
      const names: FileStat[] = []
      for await (const page of api.list(path === '' ? '/' : path)) names.push(...page)
      const candidates = names.filter(({ name }) => path !== '' || name !== 'own')
      if (candidates.length === 0) return path === '' ? '/' : path
      const { name, kind } = this.#random.pick(candidates)
      path += `/${name}`
      if (kind !== 'folder' || this.#random.chance(0.4)) return path
    }
  }

  #pickKind(): Kind {
    const kinds = Object.entries(WEIGHTS) as [Kind, number][]
    let left = this.#random.below(kinds.reduce((sum, [, weight]) => sum + weight, 0))
    for (const [kind, weight] of kinds) {
      left -= weight
      if (left < 0) return kind
    }
    return 'write'
  }
}

/** What all users need before they begin. */
export async function prepareTree(node: ClusterNode): Promise<void> {
  for (const path of ['/own', '/left', '/right']) await node.ask((api) => api.makeFolder(path))
  await node.ask((api) => api.writeFile('/shared', inParts(new Uint8Array(10))))
}

async function read(api: NodeApi, path: string): Promise<void> {
  const { content } = await api.readFile(path)
  for await (const part of content) void part
}

async function* inParts(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 64 * KIB) yield content.subarray(at, at + 64 * KIB)
}
