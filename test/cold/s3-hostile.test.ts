// An S3 server that is hostile and answers as it likes, as any admin of a volume can configure.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { S3Tier } from '../../node/world/tiers/s3.ts'
import { parseTierLocation } from '../../protocol/cold/location.ts'
import { MIB } from '../../protocol/units.ts'
import { forever, get, keysOf, says } from '../seams/object-tier.ts'
import { bounded, clock, random, TIER_NAME } from './tiers.ts'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { S3Location } from '../../protocol/cold/location.ts'
import type { ObjectTier } from '../../node/world/world.ts'

const HEAD = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>'

test('an endless listing or error body is cut off', () =>
  against(
    (request, response) => {
      response.writeHead(request.url?.includes('list-type') === true ? 200 : 404)
      response.write(HEAD)
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(MIB)));
      }
      response.on('drain', more)
      more()
    },
    async (tier) => {
      await assert.rejects(keysOf(tier), says('cold-corrupt', 'more than'))
      await assert.rejects(get(tier, 'a'), says('cold-corrupt', 'more than'))
    },
  ))

test('a long error text of a server is truncated', () =>
  against(
    (_request, response) => {
      const code = 'x'.repeat(MIB)
      response.writeHead(400).end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
    },
    (tier) =>
      assert.rejects(
        keysOf(tier),
        ({ message }: Error) => message.includes('xxx') && message.length < 300,
      ),
  ))

test('XML entities are not expanded, and no local files are read', () =>
  against(
    (_request, response) => {
      const entities =
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">'
      const keys = ['&b;', '&f;', '../../outside', '__proto__'].map(
        (key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`,
      )
      response.end(
        `<?xml version="1.0"?><!DOCTYPE x [${entities}]>${HEAD.slice(21)}${keys.join('')}</ListBucketResult>`,
      )
    },
    async (tier) => {
      const keys = await keysOf(tier).catch((error: unknown) => [String(error)])
      assert.ok(
        !keys.join().includes('root:') && !keys.join().includes('aaaaaaaaaaaa'),
        keys.join(),
      )
      await assert.rejects(tier.remove(['../../outside'], { signal: forever() }), says('EINVAL'))
    },
  ))

test('redirects are not followed, so that no other server sees a signed request', async () => {
  const asked: string[] = []
  await against(
    (request, response) => {
      asked.push(request.headers.authorization ?? '')
      response.end()
    },
    async (_tier, elsewhere) => {
      await against(
        (_request, response) => void response.writeHead(307, { location: `${elsewhere}/x` }).end(),
        async (tier) => {
          await assert.rejects(keysOf(tier))
          await assert.rejects(get(tier, 'a'))
        },
      )
    },
  )
  assert.deepEqual(asked, [])
})

/** A tier at a server that answers so. */
async function against(
  answer: RequestListener,
  use: (tier: ObjectTier, endpoint: string) => Promise<void>,
): Promise<void> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const location = parseTierLocation('s3://bucket/volume', { endpoint }) as S3Location
  const access = { accessKey: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' } }
  const tier = bounded(new S3Tier({ clock, random }, location, { name: TIER_NAME, access }))
  try {
    await use(tier, endpoint)
  } finally {
    await tier.close()
    server.closeAllConnections()
    server.close()
  }
}
