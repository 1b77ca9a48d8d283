// Knows what every user meant, and so what must be there in the end (checks 9, 12 and 13): a
// content whose write was acknowledged as durable is shown once, under its name or a conflict name,
// or an op has removed or replaced it whose author had it in view. Where an op failed, both
// outcomes are allowed; so are those of a node that lost its memory.
import { covers } from '../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../protocol/clock/vector-clock.ts'
import type { ActorId } from '../protocol/ids.ts'
import { CheckError } from './check-error.ts'
import { isOwn } from './shown.ts'
import type { Death } from './cluster.ts'

interface Intent {
  readonly path: string
  readonly node: string
  /**
   * 'said': acknowledged, but not as durable; 'kept': as what outlives the process, and a power
   * loss soon; 'unknown': it may be there or not.
   */
  fate: 'unknown' | 'said' | 'kept' | 'durable'
  keptMs: number
  /** An entry that has it or comes after. */
  position: Position | undefined
}

export interface Position {
  readonly actor: ActorId
  readonly seq: number
}

/** Paths that a node received while it removed a whole folder: it may have removed them too. */
interface Sweep {
  readonly before: VersionVector
  readonly after: VersionVector
}

/** A power loss takes nothing that was kept for longer. */
const KEPT_MS = 2000
const PROMISED: ReadonlySet<Intent['fate']> = new Set(['kept', 'durable'])

export class Oracle {
  readonly #intents = new Map<number, Intent>()
  /**
   * Contents that were in view of who removed or replaced them, or tried to; with what that was.
   */
  readonly #covered = new Map<number, string>()
  /** Those of them that cannot come back: the write that replaced them names them. By whom. */
  readonly #replaced = new Map<number, { readonly node: string; readonly what: string }>()
  /** Values of extended attributes; with who replaced or removed them that had them in view. */
  readonly #xattrs = new Map<string, { readonly node: string; readonly what: string } | undefined>()
  /**
   * Contents that somebody chose to keep, or that stayed when the name they were beside went: that
   * says them again, beside what replaces them meanwhile.
   */
  readonly #kept = new Set<number>()
  /** Values of extended attributes that a file of its own may have got meanwhile. */
  readonly #copied = new Set<string>()
  readonly #renamed = new Set<string>()
  readonly #sweeps: Sweep[] = []
  readonly #forgetful = new Set<string>()
  readonly #banned = new Set<string>()
  /** Contents kept just before a power loss, the first first: a beginning of them is left. */
  #beginnings: { readonly node: string; readonly sizes: readonly number[] }[] = []

  /** A write begins: from now on the content may show. */
  begins(size: number, path: string, node: string): void {
    this.#intents.set(size, { path, node, fate: 'unknown', keptMs: 0, position: undefined })
  }

  /** The write was acknowledged. */
  wrote(size: number, how: { durable: boolean; position: Position | undefined }): void {
    const intent = this.#intents.get(size)
    if (intent === undefined) return
    intent.fate = how.durable ? 'durable' : 'said'
    intent.position = how.position
    if (how.durable) this.settled(intent.node)
  }

  /** The write was acknowledged by a close. */
  kept(size: number, nowMs: number): void {
    const intent = this.#intents.get(size)
    if (intent === undefined) return
    intent.fate = 'kept'
    intent.keptMs = nowMs
  }

  /** A node has made durable all that it said before. */
  settled(node: string): void {
    for (const intent of this.#intents.values()) {
      const isSaid = intent.fate === 'said' || intent.fate === 'kept'
      if (intent.node === node && isSaid) intent.fate = 'durable'
    }
  }

  /**
   * A node ended without a word: what it only said may be gone, and by a power loss what it kept
   * just now, but for a beginning of that.
   */
  crashed(node: string, death: Death, nowMs: number): void {
    const young: (readonly [size: number, intent: Intent])[] = []
    for (const [size, intent] of this.#intents) {
      if (intent.node !== node) continue
      const isYoung = death === 'power loss' && intent.keptMs + KEPT_MS > nowMs
      if (intent.fate === 'said' || (intent.fate === 'kept' && isYoung)) intent.fate = 'unknown'
      else if (intent.fate === 'kept' && death === 'power loss') intent.fate = 'durable'
      if (isYoung && intent.keptMs > 0) young.push([size, intent])
    }
    young.sort(([, a], [, b]) => a.keptMs - b.keptMs)
    this.#beginnings.push({ node, sizes: young.map(([size]) => size) })
    // Files that the next run closes may be there without those that this one lost.
    for (const [, intent] of young) intent.keptMs = 0
  }

  /** Nothing is promised of what this node wrote: it is no member any more. */
  forgets(node: string): void {
    this.#forgetful.add(node)
  }

  /** Forbids that content written at a path ever shows to a member. */
  bans(path: string): void {
    this.#banned.add(path)
  }

  isBanned(path: string): boolean {
    return this.#banned.has(path)
  }

  /**
   * The disk of a node is an old copy: of its contents only those whose entries are held somewhere
   * are promised.
   */
  rewound(node: string, isHeld: (position: Position) => boolean): void {
    for (const intent of this.#intents.values()) {
      if (intent.node !== node) continue
      if (intent.position === undefined || !isHeld(intent.position)) intent.fate = 'unknown'
    }
    this.#beginnings = this.#beginnings.filter((beginning) => beginning.node !== node)
    for (const [size, by] of this.#replaced) if (by.node === node) this.#replaced.delete(size)
    for (const [value, by] of this.#xattrs)
      if (by?.node === node) this.#xattrs.set(value, undefined)
  }

  /** An op begins whose author has these contents in view, and means to be rid of them. */
  covers(sizes: Iterable<number>, what: string): void {
    for (const size of sizes) this.#covered.set(size, what)
  }

  /** A write over a content, or its removal, was acknowledged as durable. */
  replaced(size: number, by: { readonly node: string; readonly what: string }): void {
    this.#replaced.set(size, by)
  }

  /** A user begins to settle a conflict for this content, or to remove what it is beside. */
  keeps(size: number): void {
    this.#kept.add(size)
  }

  /** A user renames what is at this path: that keeps also what was removed from there meanwhile. */
  renames(path: string): void {
    this.#renamed.add(plainPath(path))
  }

  /** An extended attribute is about to get this value. */
  setsXattr(value: string): void {
    this.#xattrs.set(value, undefined)
  }

  /** A file with these values may be made beside the one that has them. */
  copiesXattrs(values: Iterable<string>): void {
    for (const value of values) this.#copied.add(value)
  }

  /** It was acknowledged as durable that this value was replaced or removed. */
  replacedXattr(value: string, by: { readonly node: string; readonly what: string }): void {
    this.#xattrs.set(value, by)
  }

  /** Compare with what a node shows in the end. throws CheckError. */
  judgeXattrs(shown: Iterable<string>): void {
    for (const value of shown) {
      const by = this.#xattrs.get(value)
      if (!this.#xattrs.has(value))
        throw new CheckError('contents are true', `nobody set an xattr to "${value}"`)
      if (by === undefined || this.#copied.has(value) || this.#forgetful.has(by.node)) continue
      throw new CheckError(
        '12 no silent overwrite',
        `xattr "${value}" was replaced by ${by.what}, and is back`,
      )
    }
  }

  swept(sweep: Sweep): void {
    this.#sweeps.push(sweep)
  }

  /**
   * Is the content promised to be readable? That of a node that was removed may never have left it.
   */
  isReadable(size: number): boolean {
    const intent = this.#intents.get(size)
    return intent === undefined || !this.#forgetful.has(intent.node)
  }

  /** Compare with what a node shows in the end: paths by content. throws CheckError. */
  judge(shown: ReadonlyMap<number, readonly string[]>): void {
    for (const [size, paths] of shown) {
      const banned = paths.find((path) => this.#banned.has(path))
      if (banned !== undefined)
        throw new CheckError(
          'removed members write nothing more',
          `${banned} was written by no member`,
        )
      const intent = this.#intents.get(size)
      if (intent === undefined) {
        throw new CheckError('contents are true', `nobody wrote ${size} bytes as ${paths.join()}`)
      }
      if (paths.length > 1 && !this.#kept.has(size)) {
        throw new CheckError('13 each content once', `${describe(size, intent)} is ${paths.join()}`)
      }
      const by = this.#replaced.get(size)
      if (by === undefined || this.#kept.has(size) || this.#forgetful.has(by.node)) continue
      if (this.#renamed.has(plainPath(intent.path))) continue
      throw new CheckError(
        '12 no silent overwrite',
        `${describe(size, intent)} was replaced by ${by.what}, and is back as ${paths.join()}`,
      )
    }
    this.#judgeBeginnings(shown)
    for (const [size, intent] of this.#intents) {
      if (shown.has(size) || !this.#mustShow(size, intent)) continue
      throw new CheckError(
        isOwn(intent.path) ? '9 acknowledged writes are durable' : '12 no silent overwrite',
        `${describe(size, intent)} is gone, and nobody who had seen it removed it`,
      )
    }
  }

  #judgeBeginnings(shown: ReadonlyMap<number, readonly string[]>): void {
    for (const { node, sizes } of this.#beginnings) {
      if (this.#forgetful.has(node)) continue
      const lost = sizes.findIndex((size) => !shown.has(size))
      const later = sizes.slice(lost).find((size) => shown.has(size))
      const [first, next] = [sizes[lost], later].map((size) => this.#intents.get(size ?? 0))
      if (first === undefined || next === undefined) continue
      throw new CheckError(
        '9 acknowledged writes are durable',
        `${node} lost ${first.path} by a power loss, and not ${next.path}, which it wrote later`,
      )
    }
  }

  #mustShow(size: number, intent: Intent): boolean {
    if (!PROMISED.has(intent.fate) || this.#forgetful.has(intent.node)) return false
    if (this.#covered.has(size)) return false
    const { position } = intent
    return !(
      position !== undefined &&
      this.#sweeps.some(
        ({ before, after }) =>
          covers(after, position.actor, position.seq) &&
          !covers(before, position.actor, position.seq),
      )
    )
  }
}

function describe(size: number, { path, node }: Intent): string {
  return `what ${node} wrote to ${path} (${size} bytes)`
}

/** The path without what makes a name that of a conflict copy. */
function plainPath(path: string): string {
  return path.replace(/\.conflict-\d{8}T\d{6}Z-[^/]*?-[0-9a-f]{8}/g, '')
}
