/** The middle of some numbers; the lower one of an even count. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value that a share `part` of them does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}
