// The cost of a change of a name in a folder of few and of very many entries, and the memory of the
// process that holds them: the real volume on this disk, in this process, which does nothing else.
import { nameFromText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { costOf } from './cost.ts'
import { DiskReplica } from './disk-replica.ts'
import { megabytes } from './figures.ts'
import type { Figures } from './figures.ts'
import { median } from './quantile.ts'

/** Changes of each kind that are timed at a time; of several times the median counts. */
const SAMPLE = 2000
const RUNS = 5
const FILES_PER_FOLDER = 1000

/** All entries in one folder. */
export function measureDirectory(folder: string, sizes: readonly number[]): Promise<Figures> {
  return measure(folder, sizes, 'One folder of so many entries', Infinity)
}

/** In folders of 1,000. */
export function measureNamespace(folder: string, sizes: readonly number[]): Promise<Figures> {
  return measure(folder, sizes, 'A namespace of so many files, 1,000 a folder', FILES_PER_FOLDER)
}

async function measure(
  folder: string,
  sizes: readonly number[],
  title: string,
  perFolder: number,
): Promise<Figures> {
  await using replica = await DiskReplica.founder(folder, 'node')
  const files = new Files(replica, perFolder)
  await files.growTo(1)
  // Once for V8 to compile it.
  await files.rates()
  const rows: (readonly string[])[] = []
  let first: readonly Rate[] | undefined
  for (const size of sizes) {
    replica.store.durable = false
    await files.growTo(size)
    replica.store.durable = true
    const rates = await files.rates()
    first ??= rates
    const since = first
    rows.push([
      String(size),
      ...rates.flatMap(({ perSecond, cpuMicros }, at) => [
        perSecond.toFixed(0),
        cpuMicros.toFixed(0),
        (cpuMicros / (since[at]?.cpuMicros ?? cpuMicros)).toFixed(2),
      ]),
      megabytes(process.memoryUsage.rss()),
      megabytes(process.resourceUsage().maxRSS * 1024),
    ])
  }
  const kinds = ['creates/s', 'renames/s', 'unlinks/s'].flatMap((kind) => [kind, 'CPU µs', 'ratio'])
  return {
    title,
    header: ['files', ...kinds, 'RSS, MB', 'peak RSS, MB'],
    rows,
    notes: [
      `Medians of ${RUNS} runs of ${SAMPLE} ops of each kind; a create includes content, ` +
        'and all is durable at the end. Ratio: of CPU time.',
    ],
  }
}

interface Rate {
  readonly perSecond: number
  /** CPU of one. */
  readonly cpuMicros: number
}

class Files {
  readonly #replica: DiskReplica
  readonly #perFolder: number
  #count = 0
  #dir: NodeId = ROOT

  constructor(replica: DiskReplica, perFolder: number) {
    this.#replica = replica
    this.#perFolder = perFolder
  }

  async growTo(size: number): Promise<void> {
    const { namespace, volume } = this.#replica
    while (this.#count < size) {
      if (this.#count % this.#perFolder === 0)
        this.#dir = namespace.makeDir(ROOT, nameFromText(`folder ${this.#count}`), { mode: 0o755 })
      this.#replica.write(this.#dir, `file ${this.#count}`, `content of file ${this.#count}`)
      this.#count++
      await volume.makeRoom()
    }
    await volume.commit()
  }

  /** Creates, renames and unlinks per second, in the last folder; leaves what there was. */
  async rates(): Promise<readonly Rate[]> {
    const { namespace } = this.#replica
    const dir = this.#dir
    const name = (what: string, file: number): string => `${what} ${spread(file)}`
    const changes: readonly ((file: number) => void)[] = [
      (file) => this.#replica.write(dir, name('new', file), `content of ${file}`),
      (file) => {
        const [from, to] = [name('new', file), name('moved', file)].map(nameFromText) as [
          Name,
          Name,
        ]
        namespace.rename(dir, from, dir, to)
      },
      (file) => namespace.unlink(dir, nameFromText(name('moved', file))),
    ]
    const runs: Rate[][] = changes.map(() => [])
    for (let run = 0; run < RUNS; run++) {
      for (const [at, change] of changes.entries()) runs[at]?.push(await this.#rate(change))
    }
    return runs.map((of) => ({
      perSecond: median(of.map(({ perSecond }) => perSecond)),
      cpuMicros: median(of.map(({ cpuMicros }) => cpuMicros)),
    }))
  }

  async #rate(change: (file: number) => void): Promise<Rate> {
    const { volume } = this.#replica
    const cost = await costOf(async () => {
      for (let file = 0; file < SAMPLE; file++) {
        change(file)
        await volume.makeRoom()
      }
      await volume.commit()
    })
    return { perSecond: SAMPLE / cost.seconds, cpuMicros: (cost.cpuSeconds * 1e6) / SAMPLE }
  }
}

/** Numbers whose texts are all over the order of names. */
function spread(file: number): number {
  return (file * 2_654_435_761) % 4_294_967_296
}
