// A background job: on schedule and when woken, one run at a time, whatever its runs do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Job } from '../../../node/jobs/background-job.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const EVERY_MS = 1000

describe('background job', () => {
  test('runs on schedule, with a jitter of a fifth', async () => {
    const { job, clock, runs } = jobOf()
    job.start()
    clock.advance(799)
    assert.equal(runs.length, 0)
    clock.advance(1)
    assert.equal(runs.length, 1)
    await end(runs)
    clock.advance(800)
    assert.equal(runs.length, 2)
    await end(runs)
    await job.stop()
  })

  test('wakes during a run cause one more run after it', async () => {
    const { job, clock, runs } = jobOf()
    job.start()
    job.wake()
    clock.advance(0)
    for (let i = 0; i < 3; i++) job.wake()
    clock.advance(0)
    assert.equal(runs.length, 1)
    await end(runs)
    clock.advance(0)
    assert.equal(runs.length, 2)
    await end(runs)
    clock.advance(1)
    assert.equal(runs.length, 2)
    await job.stop()
  })

  test('a wake before the start is not lost', async () => {
    const { job, clock, runs } = jobOf()
    job.wake()
    clock.advance(10 * EVERY_MS)
    assert.equal(runs.length, 0)
    job.start()
    clock.advance(0)
    assert.equal(runs.length, 1)
    await end(runs)
    await job.stop()
  })

  test('a failed run is logged, and the next one comes on schedule', async () => {
    const { job, clock, runs, logged } = jobOf()
    job.start()
    clock.advance(EVERY_MS)
    runs.at(-1)?.reject(new Error('no luck'))
    await settled()
    assert.deepEqual(logged, ['no luck'])
    clock.advance(EVERY_MS)
    assert.equal(runs.length, 2)
    await end(runs)
    await job.stop()
  })

  test('now() waits for the current run, and returns the failure of its own run', async () => {
    const { job, clock, runs } = jobOf()
    job.start()
    clock.advance(EVERY_MS)
    const asked = job.now()
    assert.equal(runs.length, 1)
    await end(runs)
    assert.equal(runs.length, 2)
    runs.at(-1)?.reject(new Error('no luck'))
    await assert.rejects(asked, { message: 'no luck' })
    await job.stop()
  })

  test('stop() aborts the run, waits for it, and nothing runs afterwards', async () => {
    const { job, clock, runs } = jobOf()
    job.start()
    clock.advance(EVERY_MS)
    let isStopped = false
    const stopping = job.stop().then(() => (isStopped = true))
    assert(runs.at(-1)?.signal.aborted)
    await settled()
    assert.equal(isStopped, false)
    await end(runs)
    await stopping
    job.wake()
    clock.advance(10 * EVERY_MS)
    assert.equal(runs.length, 1)
    await assert.rejects(job.now(), { name: 'AbortError' })
  })
})

interface Run extends PromiseWithResolvers<void> {
  readonly signal: AbortSignal
}

function jobOf(): { job: Job; clock: ManualClock; runs: Run[]; logged: unknown[] } {
  const clock = new ManualClock()
  const runs: Run[] = []
  const logged: unknown[] = []
  const run = (signal: AbortSignal): Promise<void> => {
    const started = { ...Promise.withResolvers<void>(), signal }
    runs.push(started)
    return started.promise
  }
  const random = { number: () => 0, bytes: (n: number) => new Uint8Array(n), unlucky: () => false }
  const log = (_message: string, { message }: Record<string, unknown>): void =>
    void logged.push(message)
  return {
    job: new Job({ clock, random, name: 'test', everyMs: EVERY_MS, run, log }),
    clock,
    runs,
    logged,
  }
}

async function end(runs: readonly Run[]): Promise<void> {
  runs.at(-1)?.resolve()
  await settled()
}

/** Resolves when the effects of settled promises have happened. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}
