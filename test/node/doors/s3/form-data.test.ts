// Forms as they come, in any pieces, whole or cut.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readForm } from '../../../../node/doors/s3/pages/form-data.ts'
import { ManualClock } from '../../stripes/manual-clock.ts'
import type { IncomingMessage } from 'node:http'

const BOUNDARY = 'b-b'
const HEAD = `--${BOUNDARY}\r\nContent-Disposition: form-data; name=`

function bodyOf(fields: ReadonlyMap<string, string>, fileName: string, file: Buffer): Buffer {
  const before = [...fields].map(([name, value]) => `${HEAD}"${name}"\r\n\r\n${value}\r\n`).join('')
  const after = `\r\n--${BOUNDARY}--\r\n`
  const named = `${HEAD}"file"; filename="${fileName}"\r\n\r\n`
  return Buffer.concat([Buffer.from(before), Buffer.from(named), file, Buffer.from(after)])
}

/** A request that brings bytes so many at a time. */
function requestOf(bytes: Buffer, step: number): IncomingMessage {
  const parts = function* (): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
  }
  const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
  return Object.assign(Readable.from(parts(), { objectMode: false }), {
    headers,
  }) as unknown as IncomingMessage
}

async function read(request: IncomingMessage): Promise<{
  readonly fields: ReadonlyMap<string, string>
  readonly fileName: string
  readonly file: Buffer
}> {
  const form = await readForm(request, new ManualClock())
  const parts: Uint8Array[] = []
  for await (const part of form.content) parts.push(part)
  form.close()
  return { fields: form.fields, fileName: form.fileName, file: Buffer.concat(parts) }
}

const anyFields = fc
  .array(fc.tuple(fc.constantFrom('key', 'a', 'x-ü', 'policy'), fc.string({ unit: 'binary' })), {
    maxLength: 4,
  })
  .map((pairs) => new Map(pairs))
// Pieces of a boundary, as a file may have them.
const anyFile = fc
  .array(
    fc.constantFrom('x', '\r', '\n', '-', '--', '\r\n--', 'b-', `\r\n--${BOUNDARY.slice(0, 2)}`),
  )
  .map((pieces) => Buffer.from(pieces.join('')))
  .filter((file) => !`\r\n${file.toString()}`.includes(`\r\n--${BOUNDARY}`))

describe('a form', () => {
  test('is the same in whatever pieces it comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyFields,
        anyFile,
        fc.integer({ min: 1, max: 40 }),
        async (fields, file, step) => {
          const found = await read(requestOf(bodyOf(fields, 'ä.txt', file), step))
          assert.deepEqual(found, { fields, fileName: 'ä.txt', file })
        },
      ),
      { numRuns: 200 },
    )
  })

  test('is none where it is cut', async () => {
    const body = bodyOf(new Map([['key', 'k']]), 'n', Buffer.alloc(300, 'x'))
    const end = body.length - '--\r\n'.length
    for (let cut = 0; cut < end; cut += 7)
      await assert.rejects(read(requestOf(body.subarray(0, cut), 16)), { status: 400 }, `${cut}`)
  })

  test('lets go of the request where its file is not read', async () => {
    const request = requestOf(bodyOf(new Map(), 'n', Buffer.alloc(500_000, 'x')), 1000)
    const form = await readForm(request, new ManualClock())
    form.close()
    request.resume()
    for await (const _ of request) continue
    assert.ok(request.readableEnded)
  })
})
