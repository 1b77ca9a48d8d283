// A random test of what files hold (fsx: Avadis Tevanian and Jordan Hubbard, 1991): steps drawn
// from a seed are done to files of a mount and to arrays of bytes, which must not differ. One
// process does one step after the other.
//
// With a second mount, another node's, that one must show each file as it was closed, and does the
// steps in turn.
import assert from 'node:assert/strict'
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '../../simulations/random.ts'
import { assertSame, readAt } from './model-file.ts'
import { STEPS } from './model-steps.ts'
import type { Handle, HandleKind, ModelFile } from './model-file.ts'

const FLAGS: Readonly<Record<HandleKind, number>> = {
  plain: constants.O_RDWR,
  append: constants.O_RDWR | constants.O_APPEND,
  direct: constants.O_RDWR | constants.O_DIRECT,
}
const HANDLES_MAX = 3
const STEPS_SHOWN = 20
/** All files are compared whole after so many steps. */
const COMPARE_EVERY = 100
/** The second mount has to show what was closed within this. */
const SEEN_WITHIN_MS = 20_000
/**
 * The last write of the first mount before the second goes on: a mount that sees it has seen all
 * before it.
 */
const TURN = 'turn'

export interface ModelOptions {
  readonly seed: number
  /** Files get no longer. */
  readonly sizeMax: number
  /**
   * After so many steps nothing is open, and the mounts change turns, or the one mount is mounted
   * anew.
   */
  readonly turnEvery: number
  /** Does the file system take direct I/O of any alignment? */
  readonly hasDirect: boolean
  readonly remount: (mount: string) => Promise<void>
}

export class ModelRun {
  readonly random: SeededRandom
  readonly files: ModelFile[] = []
  /** How long each closed file took to be seen on the other mount, in ms. */
  readonly seenMs: number[] = []
  readonly #mounts: readonly string[]
  readonly #options: ModelOptions
  readonly #last: string[] = []
  #active = 0
  #steps = 0

  constructor(mounts: readonly string[], options: ModelOptions) {
    this.#mounts = mounts
    this.#options = options
    this.random = new SeededRandom(options.seed, 'model')
  }

  /** throws at the first difference, with seed, step and the last steps. */
  async run(count: number): Promise<void> {
    const weights = STEPS.flatMap((step) => Array.from({ length: step.weight }, () => step))
    try {
      for (let n = 0; n < count; n++) {
        this.#steps++
        const step = this.random.pick(weights)
        await step.run(this)
        this.#checkSizes()
        if (this.#steps % COMPARE_EVERY === 0) this.#compareAll()
        if (this.#steps % this.#options.turnEvery === 0) await this.#turn()
      }
      await this.#turn()
    } catch (error) {
      const where = `seed ${this.#options.seed}, step ${this.#steps}`
      const last = this.#last.join('\n  ')
      throw new Error(`${where}: ${String(error)}\nthe last steps:\n  ${last}`, { cause: error })
    } finally {
      for (const file of this.files) for (const { fd } of file.handles) closeSync(fd)
    }
  }

  /** Say what is about to be done. */
  note(what: string): void {
    this.#last.push(`${this.#steps} ${what}`)
    if (this.#last.length > STEPS_SHOWN) this.#last.shift()
  }

  path(name: string): string {
    return join(this.#mounts[this.#active] ?? '', name)
  }

  get sizeMax(): number {
    return this.#options.sizeMax
  }

  get named(): readonly ModelFile[] {
    return this.files.filter(({ names }) => names.size > 0)
  }

  someName(file: ModelFile): string {
    return this.random.pick([...file.names])
  }

  /** An open handle of any file, which is opened for it if need be. */
  someHandle(): Handle {
    const file = this.random.pick(this.files)
    const isEnough = file.handles.length >= HANDLES_MAX || file.names.size === 0
    const opens = file.handles.length === 0 || (!isEnough && this.random.chance(0.1))
    return opens ? this.open(file) : this.random.pick(file.handles)
  }

  open(file: ModelFile): Handle {
    const kinds = ['plain', 'plain', 'append', ...(this.#options.hasDirect ? ['direct'] : [])]
    const kind = this.random.pick(kinds) as HandleKind
    const name = this.someName(file)
    this.note(`open ${name} ${kind}`)
    const fd = openSync(this.path(name), FLAGS[kind])
    const handle: Handle = { fd, kind, file, mapping: undefined }
    file.handles.push(handle)
    return handle
  }

  /** Close, after which the file reads the same wherever it is opened. */
  async close(handle: Handle): Promise<void> {
    const { file } = handle
    this.note(`close ${handle.kind} of ${file.title}`)
    handle.mapping?.unmap()
    closeSync(handle.fd)
    file.handles.splice(file.handles.indexOf(handle), 1)
    if (file.names.size > 0) await this.#seenElsewhere(file)
    else if (file.handles.length === 0) this.files.splice(this.files.indexOf(file), 1)
  }

  /** Compare a whole file, through a handle if it is open. */
  compare(file: ModelFile): void {
    const [handle] = file.handles
    const found =
      handle === undefined ? this.#read(file, this.#active) : readAt(handle.fd, 0, this.sizeMax + 1)
    assertSame(found, file.content, file.title)
  }

  #read(file: ModelFile, mount: number): Buffer {
    const [name = ''] = file.names
    return readFileSync(join(this.#mounts[mount] ?? '', name))
  }

  #checkSizes(): void {
    for (const file of this.files) {
      const [name] = file.names
      const [handle] = file.handles
      const stat = handle === undefined ? statSync(this.path(name ?? '')) : fstatSync(handle.fd)
      assert.equal(stat.size, file.size, `the size of ${file.title}`)
      assert.equal(stat.nlink, file.names.size, `the links of ${file.title}`)
    }
  }

  #compareAll(): void {
    for (const file of this.files) this.compare(file)
    const expected = this.named.flatMap(({ names }) => [...names])
    const found = readdirSync(this.path('')).filter((name) => name !== TURN)
    assert.deepEqual(found.sort(), expected.sort(), 'the names')
  }

  async #seenElsewhere(file: ModelFile): Promise<void> {
    const other = 1 - this.#active
    if (this.#mounts[other] === undefined) return
    const start = performance.now()
    await this.#until(`${file.title} as it was closed`, () =>
      assertSame(this.#read(file, other), file.content, file.title),
    )
    this.seenMs.push(performance.now() - start)
  }

  async #turn(): Promise<void> {
    const open = this.files.flatMap(({ handles }) => handles)
    for (const handle of open) await this.close(handle)
    this.note('turn')
    const mount = this.#mounts[this.#active] ?? ''
    const other = 1 - this.#active
    if (this.#mounts[other] === undefined) await this.#options.remount(mount)
    else {
      const turn = `step ${this.#steps}`
      writeFileSync(this.path(TURN), turn)
      this.#active = other
      await this.#until('whose turn it is', () => {
        assert.equal(readFileSync(this.path(TURN), 'utf8'), turn)
      })
      // Invalidations may still be on their way when the entry that they are about shows.
      await this.#until('all files', () => this.#compareAll())
    }
    this.#checkSizes()
    this.#compareAll()
  }

  /** throws what `check` throws in the end. */
  async #until(what: string, check: () => void): Promise<void> {
    const end = performance.now() + SEEN_WITHIN_MS
    for (;;) {
      try {
        return check()
      } catch (error) {
        if (performance.now() > end)
          throw new Error(`the other node does not show ${what}: ${String(error)}`, {
            cause: error,
          })
      }
      await sleep(1)
    }
  }
}
