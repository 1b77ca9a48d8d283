// A chart of what this node moved in the last hour, minute by minute.
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { bytes, rate } from '../format.ts'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

type Minutes = Shown['traffic']['minutes']

const HEIGHT = 180
const MINUTES = 60
const MINUTE_MS = 60_000
const SECONDS = 60
const LINES = [
  { key: 'inBytes', label: TEXT.transfers.in, color: '--in' },
  { key: 'outBytes', label: TEXT.transfers.out, color: '--out' },
  { key: 'repairedBytes', label: TEXT.transfers.repair, color: '--repaired' },
  { key: 'coldBytes', label: TEXT.transfers.cold, color: '--in-tier' },
] as const

export function Transfers({ minutes }: { readonly minutes: Minutes }): JSX.Element {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const data = dataOf(minutes)
  const latest = useRef(data)
  latest.current = data
  useEffect(() => {
    const element = place.current
    if (element === null) return undefined
    const draw = (): void => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsOf(element), latest.current, element)
    }
    draw()
    const sizes = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT })
    })
    sizes.observe(element)
    const theme = matchMedia('(prefers-color-scheme: dark)')
    theme.addEventListener('change', draw)
    addEventListener('shoal-theme', draw)
    return () => {
      sizes.disconnect()
      theme.removeEventListener('change', draw)
      removeEventListener('shoal-theme', draw)
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [])
  useEffect(() => plot.current?.setData(data), [minutes])
  const sum = (key: 'inBytes' | 'outBytes'): string =>
    bytes(minutes.reduce((total, minute) => total + minute[key], 0))
  return (
    <>
      <div
        ref={place}
        class="chart"
        role="img"
        aria-label={TEXT.transfers.chart(sum('inBytes'), sum('outBytes'))}
      />
      <p>
        {LINES.map(({ key, label }) => (
          <span key={key} class={`key ${key}`}>
            {label}
          </span>
        ))}
      </p>
    </>
  )
}

/** Every minute of the hour, in bytes a second; nothing moved in those that are not told. */
function dataOf(minutes: Minutes): uPlot.AlignedData {
  const byTime = new Map<number, Minutes[number]>(minutes.map((minute) => [minute.atMs, minute]))
  const now = Math.floor(Date.now() / MINUTE_MS)
  const times = Array.from({ length: MINUTES }, (_, at) => (now - MINUTES + 1 + at) * MINUTE_MS)
  const values = LINES.map(({ key }) => times.map((at) => (byTime.get(at)?.[key] ?? 0) / SECONDS))
  return [times.map((at) => at / 1000), ...values]
}

function optionsOf(element: HTMLElement): uPlot.Options {
  const style = getComputedStyle(element)
  const color = (name: string): string => style.getPropertyValue(name).trim()
  const axis = {
    stroke: color('--quiet'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_self, _min, max) => [0, Math.max(1000, max * 1.1)] } },
    axes: [
      axis,
      { ...axis, size: 84, values: (_self, ticks) => ticks.map((value) => rate(value)) },
    ],
    series: [
      {},
      ...LINES.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 2,
        points: { show: false },
      })),
    ],
  }
}
