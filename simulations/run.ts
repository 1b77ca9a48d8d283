// npm run simulate: runs seeds of the scenario, one line each, and for one that fails the command that repeats it.
// Exit code: 0 all passed, 1 one failed, 2 wrong usage.
import { parseArgs } from 'node:util'
import { SECOND_MS } from '../protocol/units.ts'
import { runSeed } from './scenario.ts'

const USAGE = `npm run simulate -- [--seed S] [--seeds N] [--nodes N] [--verbose] [--trace]
  --seed S    the first seed: a number or any text (default 1)
  --seeds N   how many seeds from there on (default 1; S must be a number then)
  --nodes N   nodes of the cluster, at least 2 (default 5)
  --verbose   tell what is done to the nodes and what they log
  --trace     print every event: where two runs of a seed part`

interface Arguments {
  readonly seeds: readonly string[]
  readonly nodeCount: number
  readonly verbose: boolean
  readonly trace: boolean
}

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readArguments()
  if (options === undefined) {
    console.error(USAGE)
    return 2
  }
  let failedCount = 0
  for (const seed of options.seeds) if (!(await runOne(seed, options))) failedCount++
  if (options.seeds.length > 1) {
    console.log(`${options.seeds.length - failedCount} of ${options.seeds.length} seeds passed`)
  }
  return failedCount === 0 ? 0 : 1
}

/** Run a seed and say how it went. */
async function runOne(seed: string, { nodeCount, verbose, trace }: Arguments): Promise<boolean> {
  const startedMs = performance.now()
  const print = (line: string): void => console.log(`  ${line}`)
  const reproduce = `npm run simulate -- --seed ${seed} --nodes ${nodeCount}`
  // What nobody awaited must not end the process without the seed.
  const onStray = (error: unknown): void => {
    console.error(`seed ${seed} failed: ${describe(error)}\n  reproduce: ${reproduce}`)
    process.exit(1)
  }
  process.on('uncaughtException', onStray)
  try {
    const result = await runSeed(seed, {
      nodeCount,
      ...(verbose ? { tell: print } : {}),
      ...(trace ? { record: print } : {}),
    })
    const tookMs = performance.now() - startedMs
    console.log(
      `seed ${seed}: ${seconds(result.virtualMs)} virtual, ${result.opCount} ops (${result.refusedCount} refused), ` +
        `${result.entryCount} entries, ${result.eventCount} events, trace ${result.traceHash.slice(0, 16)}, ${seconds(tookMs)}`,
    )
    return true
  } catch (error) {
    console.error(`seed ${seed} failed: ${describe(error)}\n  reproduce: ${reproduce}`)
    return false
  } finally {
    process.off('uncaughtException', onStray)
  }
}

/** Undefined if they make no sense. */
function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        seeds: { type: 'string', default: '1' },
        nodes: { type: 'string', default: '5' },
        verbose: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
      },
    })
    const { seed, verbose, trace } = values
    const [seedCount, nodeCount] = [Number(values.seeds), Number(values.nodes)]
    if (!(
      Number.isInteger(seedCount) &&
      seedCount > 0 &&
      Number.isInteger(nodeCount) &&
      nodeCount > 1
    ))
      return undefined
    if (seedCount === 1) return { seeds: [seed], nodeCount, verbose, trace }
    const first = Number(seed)
    if (!Number.isInteger(first)) return undefined
    const seeds = Array.from({ length: seedCount }, (_, index) => String(first + index))
    return { seeds, nodeCount, verbose, trace }
  } catch {
    return undefined
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function seconds(ms: number): string {
  return `${(ms / SECOND_MS).toFixed(1)} s`
}
