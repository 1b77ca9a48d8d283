// Shared by the benches beside other backup programs: works timed one after the other, each command
// a process of its own, and a table of the medians.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { TestNode } from '../test/cluster/cluster.ts'
import { AnonymousPeak } from './anonymous-peak.ts'
import { run, seconds } from './copy.ts'
import type { Work } from './copy.ts'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { childrenProcessorSeconds, processorSeconds } from './processor-time.ts'
import { recordRatio } from './record.ts'

/** A program that is timed. */
export interface Contender extends AsyncDisposable {
  /** The process that runs on between commands. */
  readonly node?: TestNode
}

interface Did {
  readonly seconds: number
  readonly processorSeconds: number
  /** The highest RssAnon of the node, in bytes. */
  readonly peakBytes: number | undefined
}

/** Scores of some works, by what was done and by which program. */
export class Scores {
  readonly #all = new Map<string, Did[]>()

  /** Runs and times it. */
  async time(
    way: string,
    name: string,
    { node }: Contender,
    action: () => Promise<unknown>,
  ): Promise<void> {
    const key = `${way} ${name}`
    this.#all.set(key, [...(this.#all.get(key) ?? []), await timed(node, action)])
  }

  /** Prints a row for each way and program, and records ratios to Shoal under the title. */
  show(
    work: Work,
    ways: readonly string[],
    names: readonly string[],
    { title, rounds }: { readonly title: string; readonly rounds: string },
  ): void {
    const middle = (key: string, of: (did: Did) => number): number =>
      median((this.#all.get(key) ?? []).map(of))
    const rows = ways.flatMap((way) =>
      names.map((name) => {
        const time = middle(`${way} ${name}`, (did) => did.seconds)
        const ratio = time / middle(`${way} shoal`, (did) => did.seconds)
        if (name !== 'shoal') recordRatio(`${title}: ${way}, beside ${name}`, ratio)
        const peak = middle(`${way} ${name}`, (did) => did.peakBytes ?? Number.NaN)
        return [
          `${way} ${name}`,
          time.toFixed(2),
          middle(`${way} ${name}`, (did) => did.processorSeconds).toFixed(2),
          (work.bytes / 1e6 / time).toFixed(0),
          (work.files / time).toFixed(0),
          name === 'shoal' ? '' : ratio.toFixed(2),
          Number.isNaN(peak) ? '' : (peak / 1e6).toFixed(0),
        ]
      }),
    )
    const header = ['what', 's', 'CPU s', 'MB/s', 'files/s', 'Shoal, times as fast', 'RssAnon, MB']
    const heading = `${work.name}, medians of ${rounds}`
    console.log(`\n${formatFigures({ title: heading, header, rows })}`)
  }
}

async function timed(node: TestNode | undefined, action: () => Promise<unknown>): Promise<Did> {
  await run('sync')
  const used = async (): Promise<number> =>
    (await childrenProcessorSeconds()) + (node === undefined ? 0 : await processorSeconds(node.pid))
  const before = await used()
  await using peak = node === undefined ? undefined : AnonymousPeak.watch(node.pid)
  const time = await seconds(action)
  const processor = (await used()) - before
  return { seconds: time, processorSeconds: processor, peakBytes: await peak?.end() }
}

/** Those that are installed, of names with commas between them. */
export function installedOf(names: string): readonly string[] {
  return names.split(',').filter((name) => name === 'shoal' || isInstalled(name))
}

function isInstalled(program: string): boolean {
  const isThere = spawnSync(program, ['--version']).error === undefined
  if (!isThere) console.log(`${program} is not installed.`)
  return isThere
}

/** The names in the order of a round: another one is first each time. */
export function orderOf(names: readonly string[], round: number): readonly string[] {
  return names.map((_, at) => names[(at + round) % names.length] ?? '')
}

/** Backup programs restore below the whole former path. */
export function restoredIn(name: string, path: string, back: string): string {
  return join(back, name === 'shoal' ? 'work' : path)
}

/** A program by name. throws for one that there is not. */
export function contenderNamed<Make>(all: Readonly<Record<string, Make>>, name: string): Make {
  const found = all[name]
  if (found !== undefined) return found
  throw new Error(`no program is called ${name}; there are ${Object.keys(all).join(', ')}`)
}
