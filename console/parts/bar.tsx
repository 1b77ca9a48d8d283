// Bars: how full something is, and of which parts it is made. What they show is in words beside
// them, so they say nothing to a screen reader themselves.
import type { JSX } from 'preact'

const WIDTH = 1000
const HEIGHT = 14

export interface Part {
  /** Names its colour: 'full', 'degraded', 'at-risk', 'lost', 'cold'. */
  readonly kind: string
  readonly value: number
}

/** A bar of parts, each at least wide enough to be seen. */
export function Bar({ parts }: { readonly parts: readonly Part[] }): JSX.Element {
  const shown = parts.filter(({ value }) => value > 0)
  const sum = shown.reduce((total, { value }) => total + value, 0)
  const widths = shown.map(({ value }) => Math.max(WIDTH / 50, (value / sum) * WIDTH))
  const scale = WIDTH / widths.reduce((total, width) => total + width, 0)
  let x = 0
  return (
    <svg class="bar" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden>
      <rect class="empty" width={WIDTH} height={HEIGHT} />
      {shown.map(({ kind }, index) => {
        const width = (widths[index] ?? 0) * scale
        const begin = x
        x += width
        return <rect key={kind} class={kind} x={begin} width={width} height={HEIGHT} />
      })}
    </svg>
  )
}

/** How much of a whole is used: it turns to a warning when little is left. */
export function Fill({
  isPlain = false,
  used,
  whole,
}: {
  readonly used: number
  readonly whole: number
  /** To have much is no warning. */
  readonly isPlain?: boolean
}): JSX.Element {
  const part = whole === 0 ? 0 : Math.min(1, used / whole)
  const kind = isPlain ? 'used' : part > 0.95 ? 'lost' : part > 0.85 ? 'degraded' : 'used'
  return (
    <svg class="fill" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden>
      <rect class="empty" width={WIDTH} height={HEIGHT} />
      <rect class={kind} width={Math.max(part > 0 ? 8 : 0, part * WIDTH)} height={HEIGHT} />
    </svg>
  )
}
