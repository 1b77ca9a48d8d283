// Two servers that do the same works by turns, so that what else the machine does hits both.
import { SECOND_MS } from '../protocol/units.ts'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { processorSeconds } from './processor-time.ts'

/** Connections that stay open. */
export const CONNECTIONS = 8

export interface Contestant {
  readonly name: string
  readonly pid: number
}

export type Work = readonly [name: string, run: () => Promise<unknown>]

/** Seconds, and seconds of the server's processor. */
interface Taken {
  readonly seconds: number
  readonly processor: number
}

/** Print medians of all rounds, and how many times as fast the first is. */
export async function compareByTurns<Server extends Contestant>(
  subject: string,
  servers: readonly [Server, Server],
  rounds: number,
  worksOf: (server: Server, round: number) => Iterable<Work>,
): Promise<void> {
  const taken = new Map<string, readonly Taken[][]>()
  // The first warms up.
  for (let round = 0; round <= rounds; round++)
    for (const [at, server] of servers.entries())
      for (const [work, run] of worksOf(server, round)) {
        const before = await processorSeconds(server.pid)
        const begin = performance.now()
        await run()
        const seconds = (performance.now() - begin) / SECOND_MS
        const processor = (await processorSeconds(server.pid)) - before
        const all = taken.get(work) ?? servers.map(() => [])
        taken.set(work, all)
        if (round > 0) all[at]?.push({ seconds, processor })
      }
  const rows = Array.from(taken, ([work, all]) => {
    const of = (at: number, key: keyof Taken): number =>
      median((all[at] ?? []).map((one) => one[key]))
    const cells = servers.flatMap((_, at) => [of(at, 'seconds'), of(at, 'processor')])
    const ratio = of(1, 'seconds') / of(0, 'seconds')
    return [work, ...cells.map((cell) => cell.toFixed(2)), ratio.toFixed(2)]
  })
  const title = `${subject}, ${rounds} rounds by turns, ${CONNECTIONS} connections`
  const header = ['work', ...servers.flatMap(({ name }) => [`${name}: s`, 'CPU s']), 'ratio']
  const notes = ['A ratio above 1: Shoal is so many times as fast.']
  console.log(formatFigures({ title, header, rows, notes }))
}

/** Run it for each number below `count`, as many at once as there are connections. */
export async function forEachOf(
  count: number,
  run: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await run(i)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
}

/** The content of file `i` of many small ones: 1,000 to 8,000 bytes. */
export function smallFile(i: number): Buffer {
  return SMALL.subarray(0, 1000 + ((i * 37) % 7000))
}

const SMALL = Buffer.from(Array.from({ length: 8000 }, (_, i) => (i * 7919) % 251))
