// Sets of numbers of entries, of which most are next to each other: ascending ranges, both ends
// included.

export type SeqRanges = readonly (readonly [from: number, to: number])[]

export function hasSeq(ranges: SeqRanges, seq: number): boolean {
  return ranges.some(([from, to]) => from <= seq && seq <= to)
}

/** cost: O(ranges). */
export function withSeq(ranges: SeqRanges, seq: number): SeqRanges {
  if (hasSeq(ranges, seq)) return ranges
  const before = ranges.filter(([, to]) => to < seq - 1)
  const after = ranges.filter(([from]) => from > seq + 1)
  const touching = ranges.filter(([from, to]) => to >= seq - 1 && from <= seq + 1)
  const from = Math.min(seq, ...touching.map(([first]) => first))
  const to = Math.max(seq, ...touching.map(([, last]) => last))
  return [...before, [from, to], ...after]
}

export function* seqsOf(ranges: SeqRanges): Generator<number> {
  for (const [from, to] of ranges) for (let seq = from; seq <= to; seq++) yield seq
}

/** Those below `seq`, and the others. */
export function splitAt(ranges: SeqRanges, seq: number): readonly [SeqRanges, SeqRanges] {
  const below = ranges.flatMap(([from, to]) =>
    from < seq ? [[from, Math.min(to, seq - 1)] as const] : [],
  )
  const others = ranges.flatMap(([from, to]) =>
    to >= seq ? [[Math.max(from, seq), to] as const] : [],
  )
  return [below, others]
}
