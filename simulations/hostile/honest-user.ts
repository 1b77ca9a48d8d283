// A user of an honest node: writes, moves and removes files in a folder of its own, and knows what
// must be there.
import { ShoalError } from '../../protocol/errors.ts'
import { STRIPE_COPIES_BELOW } from '../../protocol/limits.ts'
import { CheckError } from '../check-error.ts'
import type { ClusterNode } from '../cluster.ts'
import type { Contents } from '../content.ts'
import type { SeededRandom } from '../random.ts'

/** Content up to this size is not cut. */
const ONE_CHUNK_MAX = 12_000

export class HonestUser {
  readonly node: ClusterNode
  readonly folder: string
  readonly #contents: Contents
  readonly #random: SeededRandom
  /** By path the content that was acknowledged; of nobody knows what, nothing. */
  readonly #sizes = new Map<string, number>()
  #count = 0

  constructor(node: ClusterNode, contents: Contents, random: SeededRandom) {
    this.node = node
    this.folder = `/own-${node.name}`
    this.#contents = contents
    this.#random = random
  }

  /** The paths that must exist, with the sizes of their contents. */
  get acknowledged(): ReadonlyMap<string, number> {
    return this.#sizes
  }

  async act(): Promise<void> {
    const [path] = this.#sizes.keys()
    const fate = this.#random.number()
    if (path === undefined || fate < 0.7) return this.write('placed')
    const to = `${this.folder}/moved-${this.#count++}`
    const size = this.#sizes.get(path)
    this.#sizes.delete(path)
    if (fate < 0.85) return this.#try((node) => node.ask((api) => api.remove(path)))
    await this.#try((node) => node.ask((api) => api.move(path, to)))
    if (size !== undefined) this.#sizes.set(to, size)
  }

  /** The next content: in one chunk, or so large that it is split, not copied. */
  next(kind: 'chunk' | 'split'): { readonly size: number; readonly bytes: Uint8Array } {
    for (;;) {
      const size = this.#contents.freshStoredSize(this.#random)
      const isIt = kind === 'chunk' ? size <= ONE_CHUNK_MAX : size > STRIPE_COPIES_BELOW
      if (isIt) return { size, bytes: this.#contents.bytes(size) }
    }
  }

  /** Write a new file. With ack 'placed' what others answer is waited for. */
  async write(ack: 'local' | 'placed', size: number = this.#freshSize()): Promise<void> {
    const path = `${this.folder}/file-${this.#count++}`
    const bytes = this.#contents.bytes(size)
    await this.#try(async (node) => {
      await node.ask((api) => api.writeFile(path, inOne(bytes), {}, { ack }))
      this.#sizes.set(path, size)
    })
  }

  #freshSize(): number {
    return this.#random.chance(0.6)
      ? this.#contents.freshStoredSize(this.#random)
      : this.#contents.freshSize(this.#random)
  }

  /** Others may be away, and what they hold late; that is said, and nothing is acknowledged. */
  async #try(run: (node: ClusterNode) => Promise<void>): Promise<void> {
    try {
      await run(this.node)
    } catch (error) {
      const mayBe =
        error instanceof ShoalError &&
        ['not-placed', 'timeout', 'unreachable', 'stopped', 'chunk-unavailable'].includes(
          error.code,
        )
      if (!mayBe)
        throw new CheckError(
          'operations fail as documented',
          `${this.node.name}: ${String(error)}`,
          {
            cause: error,
          },
        )
    }
  }
}

async function* inOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
