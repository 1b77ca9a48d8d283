// An answer that takes long says meanwhile that it comes, and how it ended in its body.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { keepingAlive, sendXml } from '../../../../node/doors/s3/s3-request.ts'
import type { S3Request } from '../../../../node/doors/s3/s3-request.ts'
import { ShoalError } from '../../../../protocol/errors.ts'
import { ManualClock } from '../../stripes/manual-clock.ts'

/** A request, and the text that was written in answer to it. */
function bench(): { readonly asked: S3Request; readonly clock: ManualClock; text: () => string } {
  const request = { method: 'POST', url: '/b/k', httpVersionMajor: 1, httpVersionMinor: 1 }
  const response = new ServerResponse(request as IncomingMessage)
  const written: string[] = []
  const take = (part: unknown): boolean => {
    if (typeof part === 'string') written.push(part)
    return true
  }
  Object.assign(response, { write: take, end: take })
  const clock = new ManualClock()
  const asked = { clock, response, request } as unknown as S3Request
  return { asked, clock, text: () => written.join('') }
}

test('what ends soon is answered as anything else', async () => {
  const { asked, text } = bench()
  await assert.rejects(
    keepingAlive(asked, () => Promise.reject(new ShoalError('ENOSPC', 'full'))),
    { code: 'ENOSPC' },
  )
  assert.equal(text(), '')
})

test('what takes long begins, and says at its end what came of it', async () => {
  for (const [run, end] of [
    [
      (asked: S3Request) => sendXml(asked, 'Done', ''),
      /^<\?xml[^>]*>\n {3}<Done xmlns="[^"]*"><\/Done>$/,
    ],
    [
      () => {
        throw new ShoalError('ENOSPC', 'full')
      },
      /^<\?xml[^>]*>\n {3}<Error><Code>InsufficientStorage<\/Code>/,
    ],
  ] as const) {
    const { asked, clock, text } = bench()
    await keepingAlive(asked, async () => {
      clock.advance(30_000)
      run(asked)
    })
    assert.match(text(), end)
    clock.advance(60_000)
    assert.match(text(), end, 'nothing comes after the end')
  }
})
