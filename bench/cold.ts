// `node bench/cold.ts`: files that go to a real S3 server and come back, by Shoal's cold tier and
// by the programs that people use for it, all to the same server in the same run: how fast, and
// with how many requests; and how much is fetched from the tier for reads of 64 KiB at random.
// Shoal reads back what it puts before it says that it is there; others do not, hence their times
// with a check beside it. --rounds N: so often, with a new server each time; best and median are
// told. --mib, --large and --files scale it. What of rclone and aws is not installed is left out;
// without Ceph's radosgw (test/cold/s3-server.ts) there is nothing to measure.
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { GIB, KIB, MIB } from '../protocol/units.ts'
import { S3Server } from '../test/cold/s3-server.ts'
import { writeRandomFile, writeRandomFiles } from '../test/cluster/trees.ts'
import { rivals } from './cold/contenders.ts'
import { Swarm } from './cold/swarm.ts'
import { trafficDuring } from './cold/traffic.ts'
import { run, seconds } from './copy.ts'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { childrenProcessorSeconds, processorSeconds } from './processor-time.ts'
import type { Contender } from './cold/contenders.ts'
import type { Traffic } from './cold/traffic.ts'
import type { Work } from './copy.ts'
import { describeMachine } from './works.ts'

const SMALL_BYTES_MIN: number = 4 * KIB
const SMALL_BYTES_MAX: number = 16 * KIB
/** Average sizes of chunks, the default first. */
const CHUNKS = ['256k', '64k']
/** Few enough that hardly any meets what another has fetched. */
const RANDOM_READS = 100
const RANDOM_BYTES: number = 64 * KIB
const PAGE_BYTES: number = 4 * KIB

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    large: { type: 'string', default: '4' },
    mib: { type: 'string', default: '128' },
    files: { type: 'string', default: '5000' },
  },
})

/** The figures of one contender at one work, one a round. */
interface Score {
  readonly upload: Did[]
  readonly check: Did[]
  readonly recall: Did[]
}

interface Did {
  readonly seconds: number
  readonly processorSeconds: number
  readonly traffic: Traffic
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  const missing = S3Server.missing()
  if (missing === undefined) await measure()
  else console.log(`${missing}\n`)
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(): Promise<void> {
  console.log(describeMachine())
  const mebibytes = Number(values.mib)
  const works = [await large(Number(values.large), mebibytes), await small(Number(values.files))]
  const random = await large(1, mebibytes, 'random')
  const scores = new Map<Work, Map<string, Score>>(works.map((work) => [work, new Map()]))
  for (let round = 0; round < Number(values.rounds); round++) {
    await using server = await S3Server.start()
    const peaks = await measureRound(server, works, random, scores, round)
    console.log(`Round ${round}: peak RSS of Shoal's nodes ${peaks} MB.`)
  }
  for (const work of works) console.log(`\n${tableOf(work, scores.get(work) ?? new Map())}`)
  await using server = await S3Server.start()
  for (const chunk of CHUNKS) console.log(`\n${await readAtRandom(server, chunk, random)}`)
}

/**
 * Each once, another one first each round. returns the most memory that the writer and the reader
 * took.
 */
async function measureRound(
  server: S3Server,
  works: readonly Work[],
  warming: Work,
  scores: ReadonlyMap<Work, Map<string, Score>>,
  round: number,
): Promise<string> {
  await using swarm = await Swarm.start(server)
  for (const work of works) await swarm.put(work)
  const others = await rivals(server)
  await others[0]?.upload(warming)
  const all = [swarm.contender, ...others]
  const contenders = all.map((_, at) => all[(at + round) % all.length] ?? swarm.contender)
  for (const work of works)
    for (const contender of contenders) await timeUpload(server, work, contender, scores)
  await swarm.letGo()
  for (const work of works)
    for (const contender of contenders) await timeRecall(server, work, contender, scores)
  return (await swarm.peakBytes()).map((bytes) => (bytes / 1e6).toFixed(0)).join(' and ')
}

async function timeUpload(
  server: S3Server,
  work: Work,
  contender: Contender,
  scores: ReadonlyMap<Work, Map<string, Score>>,
): Promise<void> {
  const score = scoreOf(scores, work, contender)
  score.upload.push(await timed(server, contender, () => contender.upload(work)))
  const { check } = contender
  if (check !== undefined) score.check.push(await timed(server, contender, () => check(work)))
}

async function timeRecall(
  server: S3Server,
  work: Work,
  contender: Contender,
  scores: ReadonlyMap<Work, Map<string, Score>>,
): Promise<void> {
  const target = join(folder, 'back')
  const did = await timed(server, contender, () => contender.recall(work, target))
  await run('diff', '-r', work.path, target)
  await rm(target, { recursive: true })
  scoreOf(scores, work, contender).recall.push(did)
}

async function timed(
  server: S3Server,
  { pids }: Contender,
  action: () => Promise<unknown>,
): Promise<Did> {
  await run('sync')
  const used = async (): Promise<number> => {
    const each = await Promise.all([childrenProcessorSeconds(), ...pids().map(processorSeconds)])
    return each.reduce((sum, one) => sum + one, 0)
  }
  let time = 0
  let processor = 0
  const traffic = await trafficDuring(server, async () => {
    const before = await used()
    time = await seconds(action)
    processor = (await used()) - before
  })
  return { seconds: time, processorSeconds: processor, traffic }
}

function scoreOf(
  scores: ReadonlyMap<Work, Map<string, Score>>,
  work: Work,
  { name }: Contender,
): Score {
  const ofWork = scores.get(work)
  const score = ofWork?.get(name) ?? { upload: [], check: [], recall: [] }
  ofWork?.set(name, score)
  return score
}

async function readAtRandom(server: S3Server, chunk: string, work: Work): Promise<string> {
  await using swarm = await Swarm.start(server, { chunk })
  await swarm.put(work)
  await swarm.contender.upload(work)
  const path = join(await swarm.letGo(), work.name, 'file-0')
  let time = 0
  const { gotBytes, requests } = await trafficDuring(server, async () => {
    await using file = await open(path)
    time = await seconds(async () => {
      for (let read = 0; read < RANDOM_READS; read++) {
        const page = Math.floor((Math.random() * (work.bytes - RANDOM_BYTES)) / PAGE_BYTES)
        await file.read(Buffer.alloc(RANDOM_BYTES), 0, RANDOM_BYTES, page * PAGE_BYTES)
      }
    })
  })
  const each = (gotBytes / RANDOM_READS / RANDOM_BYTES).toFixed(2)
  const took = ((1000 * time) / RANDOM_READS).toFixed(1)
  return (
    `${RANDOM_READS} random reads of 64 KiB in ${work.bytes / MIB} MiB with chunks of ${chunk}: ` +
    `${each} bytes fetched for each byte read, ${requests} requests, ${took} ms each.`
  )
}

function tableOf(work: Work, scores: ReadonlyMap<string, Score>): string {
  const shoal = scores.get('shoal')
  const rows = [...scores].flatMap(([name, score]) => {
    const row = (called: string, upload: readonly Did[]): readonly string[] => [
      called,
      ...cellsOf(work, upload, shoal?.upload ?? []),
      ...cellsOf(work, score.recall, shoal?.recall ?? []),
    ]
    const checked = score.upload.map((did, at) => both(did, score.check[at]))
    const own = row(name, score.upload)
    return score.check.length === 0 ? [own] : [own, row(`${name}, then check`, checked)]
  })
  const cells = (way: string): readonly string[] => [
    `${way} best`,
    'median',
    'ratio',
    'CPU s/GiB',
    'requests/GiB',
  ]
  const megabytes = (work.bytes / 1e6).toFixed(0)
  return formatFigures({
    title: `${work.files} files, ${megabytes} MB, in MB/s`,
    header: ['program', ...cells('up'), ...cells('back')],
    rows,
    notes: ['Ratio: the speed of Shoal over that of the program, by medians.'],
  })
}

function cellsOf(work: Work, did: readonly Did[], shoal: readonly Did[]): readonly string[] {
  const times = did.map((each) => each.seconds)
  const speed = (time: number): string => (work.bytes / 1e6 / time).toFixed(1)
  const perGib = (numbers: readonly number[]): string =>
    ((median(numbers) * GIB) / work.bytes).toFixed(0)
  return [
    speed(Math.min(...times)),
    speed(median(times)),
    (median(times) / median(shoal.map((each) => each.seconds))).toFixed(2),
    perGib(did.map((each) => each.processorSeconds)),
    perGib(did.map(({ traffic }) => traffic.requests)),
  ]
}

/** One after the other. */
function both(first: Did, then: Did | undefined): Did {
  return {
    seconds: first.seconds + (then?.seconds ?? 0),
    processorSeconds: first.processorSeconds + (then?.processorSeconds ?? 0),
    traffic: {
      requests: first.traffic.requests + (then?.traffic.requests ?? 0),
      gotBytes: first.traffic.gotBytes + (then?.traffic.gotBytes ?? 0),
    },
  }
}

async function large(count: number, mebibytes: number, name = 'large'): Promise<Work> {
  const path = join(folder, name)
  await mkdir(path)
  for (let i = 0; i < count; i++) await writeRandomFile(join(path, `file-${i}`), mebibytes)
  return { name, path, bytes: count * mebibytes * MIB, files: count }
}

async function small(count: number): Promise<Work> {
  const path = join(folder, 'small')
  const sizes = { from: SMALL_BYTES_MIN, to: SMALL_BYTES_MAX }
  const bytes = await writeRandomFiles(path, count, sizes)
  return { name: 'small', path, bytes, files: count }
}
