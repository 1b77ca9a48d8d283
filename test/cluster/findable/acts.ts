// The acts of programs on files of one folder, planned from a seed, and the record of them. Each
// content that an act writes is a line of its own, its token, so that whatever shows in the end
// says who wrote it.
import type { SeededRandom } from '../../../simulations/random.ts'
import type { EntryHash } from '../../../protocol/ids.ts'

/** How many machines there are. */
export const MACHINES = 3
/** The length of every line, in bytes: a small one is in the log, a large one in chunks. */
export type LineBytes = 48 | 3000

export type Kind =
  /** Opens with O_TRUNC and writes. */
  | 'write'
  /** Writes a new file and renames it over the name. */
  | 'replace'
  /** To another name, over what has that. */
  | 'rename'
  | 'remove'
  /** Removes a conflict copy. */
  | 'remove-copy'
  /** To its first line, by its path. */
  | 'truncate'
  | 'append'
  /** Writes over the first line. */
  | 'overwrite'
  /** Writes over the first line and cuts off the rest. */
  | 'cut'
  /** Makes a second name. */
  | 'link'

/** Kinds that give what a file holds, and not a name of it. */
export const CONTENT_KINDS: ReadonlySet<Kind> = new Set<Kind>([
  'write',
  'truncate',
  'append',
  'overwrite',
  'cut',
])

export interface PlannedAct {
  readonly kind: Kind
  readonly name: string
  /** The other name of a rename or link. */
  readonly to: string
  /** Between open and write something of another machine's comes, if it does so soon. */
  readonly isHeld: boolean
  /** How much of the file is read then, through the same descriptor. */
  readonly reads: 'nothing' | 'half a line' | 'all'
  /** The folder is synced after a change of names. */
  readonly isSynced: boolean
  /** Before it begins. */
  readonly waitMs: number
}

/** Heads of the log: all that a machine has applied. */
export type Heads = readonly EntryHash[]
/** The tokens that the files of a folder hold, by their names. */
export type View = ReadonlyMap<string, readonly string[]>

/** An act as it was made, as far as was told. */
export interface Act extends PlannedAct {
  /** In the order in which acts begin, on all machines. */
  readonly number: number
  readonly machine: number
  /** The line that it writes, if it does. */
  readonly token: string
  /** All that its machine had before, and showed. */
  readonly before: Heads
  readonly view: View
  /** The same when the file was open, or the call had returned; undefined: unknown. */
  seenAtOpen: Heads | undefined
  /** The same when it had read, if it did. */
  seen: Heads | undefined
  /** The file as the program read it, all of it. */
  read: readonly string[] | undefined
  /** 'refused': by an error that says that nothing was done. */
  outcome: 'done' | 'refused' | 'unknown'
  /** close(2) has acknowledged what it wrote. */
  isContentDurable: boolean
  /** 'said': acknowledged, and lost if the node dies before anything is synced. */
  fate: 'said' | 'durable' | 'unknown'
  /** Heads of its machine that have it. */
  settled: Heads | undefined
}

const NAMES = ['plan.txt', 'b', 'c'] as const
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['write', 3],
  ['replace', 4],
  ['rename', 2],
  ['remove', 4],
  ['remove-copy', 1],
  ['truncate', 2],
  ['append', 2],
  ['overwrite', 2],
  ['cut', 2],
  ['link', 1],
]
const ALL_KINDS = WEIGHTS.flatMap(([kind, weight]) => Array<Kind>(weight).fill(kind))
const HELD = 0.4

/** The acts of one machine. pauseMs: the longest between two. */
export function planActs(
  random: SeededRandom,
  count: number,
  pauseMs: number,
): readonly PlannedAct[] {
  // Fewer names, more meetings.
  const names = NAMES.slice(0, 2 + random.below(2))
  return Array.from({ length: count }, () => {
    const name = random.pick(names)
    return {
      kind: random.pick(ALL_KINDS),
      name,
      to: random.pick(NAMES.filter((other) => other !== name)),
      isHeld: random.chance(HELD),
      reads: random.pick(['nothing', 'nothing', 'half a line', 'all'] as const),
      isSynced: random.chance(0.5),
      waitMs: random.below(pauseMs),
    }
  })
}

export function lineOf(token: string, lineBytes: LineBytes): string {
  return `${token.padEnd(lineBytes - 1, `.${token}`)}\n`
}

/** The tokens of a file's lines. throws Error for what no act wrote: half a line, or a mixture. */
export function tokensOf(text: string, lineBytes: LineBytes): readonly string[] {
  const tokens: string[] = []
  for (let at = 0; at < text.length; at += lineBytes) {
    const line = text.slice(at, at + lineBytes)
    const [token = ''] = line.split('.', 1)
    if (line === lineOf(token, lineBytes)) tokens.push(token)
    // A truncation may make a file longer, where it was cut meanwhile.
    else if (!/^\0+$/.test(line)) throw new Error(`nobody wrote ${JSON.stringify(line)}`)
  }
  return tokens
}

/** A name without what makes it that of a conflict copy. */
export function plainName(name: string): string {
  return name.replaceAll(/\.conflict-\d{8}T\d{6}Z-[^/]*?-[0-9a-f]{8}/g, '')
}

/** The name that a replacement is written under first. */
export function temporaryName({ name, token }: Pick<Act, 'name' | 'token'>): string {
  return `.${name}.${token}.new`
}

/** The tokens beside a name, in its conflict copies. */
export function copiesBeside(view: View, name: string): readonly string[] {
  return [...view].flatMap(([shown, tokens]) =>
    shown !== name && plainName(shown) === name ? tokens : [],
  )
}
