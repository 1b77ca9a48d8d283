// How entries follow each other, drawn beside them: newest first, a lane for each line of work that
// goes on further down. Lanes join at the entry that all of theirs followed, and part at one that
// followed several. Pure text; at most LANES_MAX lanes: what finds none free comes without its
// line.

const LANES_MAX = 12

/** Per lane the entry that it leads down to; undefined where it is free. */
type Lanes = readonly (string | undefined)[]

export interface GraphRows {
  /** Above the entry. */
  readonly before: readonly string[]
  /** In front of its text. */
  readonly node: string
  /** In front of more text of it. */
  readonly more: string
  /** Below it. */
  readonly after: readonly string[]
}

/** By the ways that lines go from a place: up 8, down 4, left 2, right 1. */
const SIGNS = ' ╶╴─╷╭╮┬╵╰╯┴│├┤┼'

export class Graph {
  #lanes: Lanes = []

  /** The next entry, older than all before. */
  next(id: string, [first, ...others]: readonly string[]): GraphRows {
    const above = this.#lanes
    const leading = above.flatMap((lane, at) => (lane === id ? [at] : []))
    const column = leading[0] ?? freeIn(above)
    if (column === undefined) {
      const more = line(above)
      return { before: [], node: `${more} *`, more, after: [] }
    }
    const here = set(above, [...leading.map((at) => [at, undefined] as const), [column, id]])
    let below = set(here, [[column, first]])
    const more = line(below)
    const ends = [column]
    for (const parent of others) {
      const known = below.indexOf(parent)
      const at = known < 0 ? freeIn(below) : known
      if (at === undefined) continue
      below = set(below, [[at, parent]])
      ends.push(at)
    }
    this.#lanes = below.slice(0, below.findLastIndex((lane) => lane !== undefined) + 1)
    return {
      before: leading.length < 2 ? [] : [join(above, here, leading)],
      node: line(here, column),
      more,
      after: ends.length < 2 ? [] : [join(here, below, ends)],
    }
  }
}

/** A row of which these lanes are tied to each other. */
function join(above: Lanes, below: Lanes, ends: readonly number[]): string {
  const [low, high] = [Math.min(...ends), Math.max(...ends)]
  let row = ''
  for (let at = 0; at < Math.max(above.length, below.length); at++) {
    const up = above[at] !== undefined
    const down = below[at] !== undefined
    // A lane that is not meant passes behind the tie.
    const tied = ends.includes(at) || !(up || down)
    const [left, right] = [at > low && at <= high, at >= low && at < high]
    row += sign(up, down, tied && left, tied && right) + (right ? '─' : ' ')
  }
  return row.trimEnd()
}

function line(lanes: Lanes, entry?: number): string {
  return lanes
    .map((lane, at) => (at === entry ? '*' : lane === undefined ? ' ' : '│'))
    .join(' ')
    .trimEnd()
}

function sign(up: boolean, down: boolean, left: boolean, right: boolean): string {
  return SIGNS[(up ? 8 : 0) + (down ? 4 : 0) + (left ? 2 : 0) + (right ? 1 : 0)] ?? ' '
}

function freeIn(lanes: Lanes): number | undefined {
  const free = lanes.indexOf(undefined)
  if (free >= 0) return free
  return lanes.length < LANES_MAX ? lanes.length : undefined
}

function set(lanes: Lanes, changes: readonly (readonly [number, string | undefined])[]): Lanes {
  const next = [...lanes]
  for (const [at, lane] of changes) next[at] = lane
  return next
}
