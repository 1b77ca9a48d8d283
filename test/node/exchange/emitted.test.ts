// Parts that one side pushes are pulled by the other, with nothing in between but one of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emitted } from '../../../node/exchange/emitted.ts'
import type { Emit } from '../../../node/exchange/emitted.ts'

const part = (number: number): Uint8Array => new Uint8Array([number])

test('parts come in order, each before the next is made, and then a failure', async () => {
  const seen: string[] = []
  const run = async (emit: Emit): Promise<void> => {
    for (const number of [1, 2, 3]) {
      seen.push(`make ${number}`)
      await emit(part(number))
    }
    throw new Error('no more')
  }
  const read = async (): Promise<void> => {
    for await (const [number] of emitted(run)) seen.push(`take ${number}`)
  }
  await assert.rejects(read(), { message: 'no more' })
  assert.deepEqual(
    seen.filter((one) => one.startsWith('take')),
    ['take 1', 'take 2', 'take 3'],
  )
  assert.ok(seen.indexOf('make 3') > seen.indexOf('take 1'), seen.join(', '))
})

test('a consumer that stops aborts the producer, whatever it waits for', async () => {
  const reasons: unknown[] = []
  const pushes = async (emit: Emit): Promise<void> => {
    for (;;) await emit(part(0)).catch((error: unknown) => Promise.reject(reasons.push(error)))
  }
  const waits = async (emit: Emit, signal: AbortSignal): Promise<void> => {
    await emit(part(0))
    await new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(reasons.push(signal.reason))),
    )
  }
  for (const run of [pushes, waits]) for await (const _part of emitted(run)) break
  const codes = reasons.map((reason) => (reason as { code: string }).code)
  assert.deepEqual(codes, ['aborted', 'aborted'])
})
