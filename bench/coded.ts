// `node bench/coded.ts`: files on six machines, any two of which may be lost: Shoal with rs4+2, and
// GlusterFS with a dispersed volume of four bricks and two, all on this machine and its disk in the
// same run. Put while all are up; got back while two are killed; put again without those two. Both
// through a mount (GlusterFS has nothing else, and no encryption), Shoal through its command too,
// there on a node that has not written it. --mib N (512), --files N (2000): sizes; --rounds N (3):
// medians of so many. GlusterFS runs in a network namespace of its own; where it is not installed
// it is left out.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TestCluster, eventually } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { GlusterVolume } from './coded/gluster.ts'
import { run, seconds } from './copy.ts'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { recordRatio } from './record.ts'
import type { Work } from './copy.ts'
import { bigWork, command, describeMachine, made, smallWork } from './works.ts'

const MACHINES = 6
const LOST = 2
const STEPS = ['put', 'get, two killed', 'put, two killed'] as const

type Step = (typeof STEPS)[number]
/** Seconds. */
type Times = Record<Step, number>

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    files: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '3' },
  },
})

/** How files come into a volume and out of it. */
interface Way {
  readonly put: (node: TestNode, work: Work, name: string) => Promise<unknown>
  readonly get: (node: TestNode, name: string, folder: string) => Promise<unknown>
}

const throughMount: Way = {
  put: async (node, { path }, name) => {
    await run('cp', '-r', path, join(node.mountFolder, name))
    await run('sync', '-f', node.mountFolder)
  },
  get: (node, name, into) => run('cp', '-r', join(node.mountFolder, name), into),
}

const byCommand: Way = {
  put: (node, { path }, name) => command(node, 'put', '--ack', 'placed', path, `/${name}`),
  get: (node, name, into) => command(node, 'get', `/${name}`, into),
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  console.log(describeMachine())
  await measure(await bigWork(folder, Number(values.mib)))
  await measure(await smallWork(folder, Number(values.files)))
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(work: Work): Promise<void> {
  const all = new Map<string, Times[]>()
  const note = (name: string, times: Times): void => {
    all.set(name, [...(all.get(name) ?? []), times])
  }
  const missing = GlusterVolume.missing()
  if (missing !== undefined) console.log(missing)
  for (let round = 0; round < Number(values.rounds); round++) {
    note('shoal, mount', await onShoal(work, throughMount))
    note('shoal, command', await onShoal(work, byCommand))
    if (missing === undefined) note('GlusterFS', await onGluster(work))
  }
  const middle = (name: string, step: Step): number =>
    median((all.get(name) ?? []).map((times) => times[step]))
  const rows = STEPS.flatMap((step) =>
    [...all.keys()].map((name) => {
      const time = middle(name, step)
      const ratio = middle('GlusterFS', step) / time
      if (name !== 'GlusterFS' && missing === undefined)
        recordRatio(`${work.name}, 4+2: ${step}, ${name} beside GlusterFS`, ratio)
      const rates = [(work.bytes / 1e6 / time).toFixed(0), (work.files / time).toFixed(0)]
      const isRatio = name !== 'GlusterFS' && missing === undefined
      return [step, name, time.toFixed(2), ...rates, isRatio ? ratio.toFixed(2) : '']
    }),
  )
  const title = `${work.name} on six, four data and two parity, medians of ${values.rounds}`
  const header = ['what', 'by', 's', 'MB/s', 'files/s', 'times as fast as GlusterFS']
  console.log(`\n${formatFigures({ title, header, rows })}`)
}

async function onShoal(work: Work, way: Way): Promise<Times> {
  await using cluster = await TestCluster.start(MACHINES, { mounts: true })
  const [writer, reader, ...others] = cluster.nodes as [TestNode, TestNode, ...TestNode[]]
  await writer.shoal('volume', 'set', 'main', 'class=rs4+2')
  await cluster.converged()
  const put = await seconds(() => way.put(writer, work, 'first'))
  await eventually('all is placed', async () => {
    const { unplacedBytes, stripes } = await writer.volume()
    return unplacedBytes === 0 && stripes.degraded + stripes.atRisk + stripes.lost === 0
  })
  await cluster.converged()
  for (const node of others.slice(-LOST)) await node.kill('SIGKILL')
  await dropCaches()
  const back = join(folder, 'back')
  const get = await seconds(() => way.get(reader, 'first', back))
  await compared(work, back)
  const again = await copyOf(work)
  // With two of six away nothing can have all its shards: what is waited for is this disk.
  const isMount = way === throughMount
  const local = isMount ? way.put : (node: TestNode) => command(node, 'put', again.path, '/second')
  const putAgain = await seconds(() => local(writer, again, 'second'))
  await rm(again.path, { recursive: true })
  return { put, 'get, two killed': get, 'put, two killed': putAgain }
}

async function onGluster(work: Work): Promise<Times> {
  const within = await made(folder, 'gluster')
  try {
    await using volume = await GlusterVolume.start(within, { data: MACHINES - LOST, parity: LOST })
    const copy = async ({ path }: Work, name: string): Promise<void> => {
      await run('cp', '-r', path, join(volume.mountFolder, name))
      await run('sync', '-f', volume.mountFolder)
    }
    const put = await seconds(() => copy(work, 'first'))
    volume.killBricks(LOST)
    await dropCaches()
    const back = join(folder, 'back')
    const get = await seconds(() => run('cp', '-r', join(volume.mountFolder, 'first'), back))
    await compared(work, back)
    const again = await copyOf(work)
    const putAgain = await seconds(() => copy(again, 'second'))
    await rm(again.path, { recursive: true })
    return { put, 'get, two killed': get, 'put, two killed': putAgain }
  } finally {
    await rm(within, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Other content of the same sizes, so that nothing of it is stored yet. */
async function copyOf(work: Work): Promise<Work> {
  return work.files === 1
    ? bigWork(folder, Number(values.mib), 'again')
    : smallWork(folder, work.files, 'again')
}

async function compared({ path }: Work, back: string): Promise<void> {
  await run('diff', '-r', path, back)
  await rm(back, { recursive: true })
}

async function dropCaches(): Promise<void> {
  await run('sync')
  await run('sh', '-c', 'echo 3 > /proc/sys/vm/drop_caches')
}
