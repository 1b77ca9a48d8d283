// Signatures by the examples that AWS publishes ("Authenticating Requests: Using the Authorization
// Header", and "... Chunked Upload").
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { chunkedBody } from '../../../../node/doors/s3/chunked-body.ts'
import { parseUrl } from '../../../../node/doors/s3/authenticate.ts'
import {
  EMPTY_HASH,
  scopeText,
  sign,
  signingKey,
  stringToSign,
  uriDecode,
  uriEncode,
} from '../../../../node/doors/s3/sigv4.ts'
import { ShoalError } from '../../../../protocol/errors.ts'

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const SCOPE = { date: '20130524', region: 'us-east-1', service: 's3' }
const TIME = '20130524T000000Z'
const CHUNKS = [
  ['ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648', 65_536],
  ['0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497', 1024],
  ['b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9', 0],
] as const

function signing(): { key: Uint8Array; time: string; scope: string; seed: string } {
  return {
    key: signingKey(SECRET, SCOPE),
    time: TIME,
    scope: scopeText(SCOPE),
    seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  }
}

/** A body in parts of this length. */
async function* inParts(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

async function read(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts)
}

describe('signatures of requests', () => {
  test('GET of a part of an object', () => {
    const text = stringToSign(
      {
        method: 'GET',
        path: '/test.txt',
        query: [],
        headers: [
          ['host', 'examplebucket.s3.amazonaws.com'],
          ['range', 'bytes=0-9'],
          ['x-amz-content-sha256', EMPTY_HASH],
          ['x-amz-date', TIME],
        ],
        payload: EMPTY_HASH,
      },
      SCOPE,
      TIME,
    )
    assert.equal(
      sign(signingKey(SECRET, SCOPE), text),
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    )
  })

  test('a listing, whose query is put in order', () => {
    const text = stringToSign(
      {
        method: 'GET',
        path: '/',
        query: [
          ['prefix', 'J'],
          ['max-keys', '2'],
        ],
        headers: [
          ['x-amz-date', TIME],
          ['x-amz-content-sha256', EMPTY_HASH],
          ['host', 'examplebucket.s3.amazonaws.com'],
        ],
        payload: EMPTY_HASH,
      },
      SCOPE,
      TIME,
    )
    assert.equal(
      sign(signingKey(SECRET, SCOPE), text),
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    )
  })

  test('parts of URLs are bytes, there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = Buffer.from(bytes).toString('latin1')
        assert.equal(uriDecode(uriEncode(text)), text)
      }),
    )
    assert.equal(uriDecode('%zz'), undefined)
    assert.equal(uriDecode('a%'), undefined)
    assert.deepEqual(parseUrl('/b/%C3%BC?x=1&y&=z'), {
      path: '/b/\u00c3\u00bc',
      query: [
        ['x', '1'],
        ['y', ''],
        ['', 'z'],
      ],
    })
    for (const wrong of ['b', '', '/%', '/a?%x=1'])
      assert.throws(() => parseUrl(wrong), { status: 400 }, wrong)
  })
})

describe('bodies in chunks', () => {
  const whole = Buffer.alloc(66_560, 'a')
  const signed = Buffer.concat(
    CHUNKS.map(([signature, length]) =>
      Buffer.from(
        `${length.toString(16)};chunk-signature=${signature}\r\n${'a'.repeat(length)}\r\n`,
      ),
    ),
  )
  const options = { hasTrailers: false, onTrailers: (): void => {} }

  test('the example is read, however it comes', async () => {
    for (const length of [1000, 65_537, 100_000]) {
      const body = chunkedBody(inParts(signed, length), { ...options, signing: signing() })
      assert.deepEqual(await read(body), whole)
    }
  })

  test('a byte that is changed, left out or added fails', async () => {
    const isRead = async (bytes: Uint8Array): Promise<boolean> => {
      try {
        await read(chunkedBody(inParts(bytes, 4096), { ...options, signing: signing() }))
        return true
      } catch (error) {
        assert.ok(error instanceof ShoalError)
        return false
      }
    }
    assert.ok(await isRead(signed))
    for (const at of [0, 2, 40, 90, 30_000, 65_700, 66_000, 66_800]) {
      const changed = Buffer.from(signed)
      changed[at] = (changed[at] ?? 0) ^ 1
      assert.equal(await isRead(changed), false, `at ${at}`)
      const shorter = Buffer.concat([signed.subarray(0, at), signed.subarray(at + 1)])
      assert.equal(await isRead(shorter), false, `without ${at}`)
    }
    assert.equal(await isRead(signed.subarray(0, 65_600)), false, 'cut')
  })

  test('trailers come after the last chunk, and are few', async () => {
    const found = new Map<string, string>()
    const take = (trailers: ReadonlyMap<string, string>): void => {
      for (const [name, value] of trailers) found.set(name, value)
    }
    const unsigned = { signing: undefined, hasTrailers: true, onTrailers: take }
    const text = '3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n'
    assert.equal(String(await read(chunkedBody(inParts(Buffer.from(text), 5), unsigned))), 'abc')
    assert.deepEqual([...found], [['x-amz-checksum-crc32', 'AAAA']])
    const many = `0\r\n${Array.from({ length: 40 }, (_, n) => `x-${n}:1\r\n`).join('')}\r\n`
    await assert.rejects(read(chunkedBody(inParts(Buffer.from(many), 50), unsigned)))
    const long = `0\r\nx:${'y'.repeat(100_000)}\r\n\r\n`
    await assert.rejects(read(chunkedBody(inParts(Buffer.from(long), 500), unsigned)))
  })
})
