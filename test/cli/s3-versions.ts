// Versions of objects at the S3 door of a real node: former ones by id, markers, and what others
// write meanwhile.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3'
import type { S3Door } from './with-s3.ts'
import type { CreatedKey } from '../../node/control/accounts.ts'

const Bucket = 'kept'

interface Calls {
  readonly put: (Key: string, Body: string) => Promise<string | undefined>
  readonly text: (Key: string, VersionId?: string) => Promise<string | undefined>
  readonly remove: (
    Key: string,
    VersionId?: string,
  ) => Promise<readonly [isMarker: boolean | undefined, version: string | undefined]>
  /** Entries: the key, the id or '-' for a marker, and '*' for the latest. */
  readonly list: (more?: object) => Promise<readonly string[]>
  readonly set: (Status: 'Enabled' | 'Suspended') => Promise<unknown>
}

function callsOf({ s3 }: Pick<S3Door, 's3'>): Calls {
  return {
    put: async (Key, Body) =>
      (await s3.send(new PutObjectCommand({ Bucket, Key, Body, Metadata: { text: Body } })))
        .VersionId,
    text: async (Key, VersionId) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }))
      return Body?.transformToString()
    },
    remove: async (Key, VersionId) => {
      const gone = await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
      return [gone.DeleteMarker, gone.VersionId]
    },
    list: async (more = {}) => {
      const { Versions = [], DeleteMarkers = [] } = await s3.send(
        new ListObjectVersionsCommand({ Bucket, ...more }),
      )
      return [
        ...Versions.map((one) => `${one.Key} ${one.VersionId}${one.IsLatest ? ' *' : ''}`),
        ...DeleteMarkers.map((one) => `${one.Key} -${one.IsLatest ? ' *' : ''}`),
      ]
    },
    set: (Status) =>
      s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } })),
  }
}

/** Writes before and while there are versions. */
async function writeAndRemove(
  { s3 }: S3Door,
  { put, text, remove, list, set }: Calls,
): Promise<void> {
  const status = async (): Promise<string | undefined> =>
    (await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status
  assert.equal(await put('plain', 'first'), undefined)
  assert.equal(await status(), undefined)
  assert.deepEqual(await list(), ['plain null *'])
  await set('Enabled')
  assert.equal(await status(), 'Enabled')
  const v2 = await put('plain', 'second')
  const v3 = await put('plain', 'third')
  assert.match(v3 ?? '', /^[0-9a-f]{32}$/)
  assert.deepEqual(await list(), [`plain ${v3} *`, `plain ${v2}`, 'plain null'])
  assert.deepEqual(
    [
      await text('plain'),
      await text('plain', v3),
      await text('plain', v2),
      await text('plain', 'null'),
    ],
    ['third', 'third', 'second', 'first'],
  )
  const known = await s3.send(
    new GetObjectAttributesCommand({
      Bucket,
      Key: 'plain',
      VersionId: v2,
      ObjectAttributes: ['ETag'],
    }),
  )
  assert.equal(known.VersionId, v2)
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'plain', VersionId: v2 }))
  assert.deepEqual(
    [head.VersionId, head.ETag, head.Metadata],
    [v2, '"a9f0e61a137d86aa9db53465e0801612"', { text: 'second' }],
  )
  const range = { Bucket, Key: 'plain', VersionId: v2, Range: 'bytes=1-2' }
  const { Body } = await s3.send(new GetObjectCommand(range))
  assert.equal(await Body?.transformToString(), 'ec')
  await assert.rejects(text('plain', 'f'.repeat(32)), { name: 'NoSuchVersion' })

  const CopySource = `${Bucket}/plain?versionId=${v2}`
  const copied = await s3.send(new CopyObjectCommand({ Bucket, Key: 'a/copy', CopySource }))
  assert.equal(copied.CopySourceVersionId, v2)
  assert.equal(await text('a/copy', copied.VersionId), 'second')
  const back = await s3.send(new CopyObjectCommand({ Bucket, Key: 'plain', CopySource }))
  assert.deepEqual(await list({ Prefix: 'plain' }), [
    `plain ${back.VersionId} *`,
    `plain ${v3}`,
    `plain ${v2}`,
    'plain null',
  ])
  // What is current goes, and what was before it takes its place, under its own id.
  await remove('plain', back.VersionId)
  await remove('plain', v3)
  assert.equal(await text('plain'), 'second')
  assert.deepEqual(await list({ Prefix: 'plain' }), [`plain ${v2} *`, 'plain null'])
  await remove('plain', 'null')
  assert.deepEqual(await remove('plain', 'null'), [undefined, 'null'], 'it is gone')

  const [isMarker, marker] = await remove('plain')
  assert.equal(isMarker, true)
  assert.deepEqual(await list({ Prefix: 'plain' }), [`plain ${v2}`, 'plain - *'])
  await assert.rejects(text('plain'), { name: 'NoSuchKey' })
  await assert.rejects(text('plain', marker), { name: 'MethodNotAllowed' })
  assert.equal(await text('plain', v2), 'second')
  await remove('plain', marker)
  assert.equal(await text('plain'), 'second', 'without the marker it is there again')
  assert.deepEqual(await list({ Prefix: 'plain' }), [`plain ${v2} *`])
  await remove('plain', v2)
  assert.deepEqual(await list({ Prefix: 'plain' }), [])
  await remove('a/copy')
  await remove('a/copy', copied.VersionId)
  assert.deepEqual(await list(), [])
}

async function suspend({ s3 }: S3Door, { put, text, list, set }: Calls): Promise<void> {
  const v1 = await put('s', 'one')
  await set('Suspended')
  assert.equal(await put('s', 'two'), 'null')
  assert.equal(await put('s', 'three'), 'null')
  assert.deepEqual(await list(), ['s null *', `s ${v1}`], 'there is one that is null')
  assert.equal(await text('s', 'null'), 'three')
  await set('Enabled')
  const gone = await s3.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: {
        Objects: [
          { Key: 's', VersionId: 'null' },
          { Key: 's', VersionId: v1 },
        ],
      },
    }),
  )
  assert.deepEqual([gone.Deleted?.length, gone.Errors], [2, undefined])
  assert.deepEqual(await list(), [])
}

async function writeElsewhere(
  { s3, shoal, folder, by, json }: S3Door,
  { put, text, list, remove }: Calls,
): Promise<void> {
  const v1 = await put('d/x', 'by the door')
  for (const what of ['by the command', 'and again']) {
    await writeFile(join(folder, 'own'), what)
    await shoal('put', join(folder, 'own'), `/${Bucket}/d/x`)
  }
  const all = await list()
  assert.deepEqual([all.length, all[2]], [3, `d/x ${v1}`])
  const [own, before] = all.map((one) => one.split(' ')[1])
  assert.deepEqual(
    [await text('d/x', own), await text('d/x', before), await text('d/x', v1)],
    ['and again', 'by the command', 'by the door'],
  )
  await remove('d/x')
  const keys = await s3.send(new ListObjectsV2Command({ Bucket }))
  assert.equal(keys.KeyCount, 0, 'its folder has gone with it')
  assert.deepEqual((await list()).length, 4)

  // Who has a key of an account sees them, and forgets none.
  const made = (await json(
    'key',
    'create',
    'one',
    '--path',
    `/${Bucket}/d`,
  )) as CreatedKey['account'] & Pick<CreatedKey, 'secret'>
  const other = callsOf({ s3: by(made.name, made.secret) })
  assert.equal((await other.list({ Prefix: 'd/' })).length, 4, 'of a folder that is gone')
  await assert.rejects(other.list(), { name: 'AccessDenied' })
  assert.equal(await other.text('d/x', v1), 'by the door')
  await assert.rejects(other.remove('d/x', v1), { name: 'AccessDenied' })
  const v2 = await other.put('d/x', 'anew')
  await assert.rejects(other.remove('d/x', v2), { name: 'AccessDenied' })
  assert.equal(await text('d/x'), 'anew', 'nothing has changed by that')
}

async function turnPages({ s3 }: S3Door, { put, list, remove }: Calls): Promise<void> {
  for (const Key of ['p', 'p/a', 'p/b/c', 'p-', 'q'])
    for (const text of Key === 'p' ? [] : ['1', '2', '3']) await put(Key, text)
  await remove('p/b/c')
  await remove('q')
  const whole = await list({ Prefix: 'p' })
  assert.equal(whole.length, 10)
  const seen: string[] = []
  let [KeyMarker, VersionIdMarker]: (string | undefined)[] = []
  for (;;) {
    const page: ListObjectVersionsCommandOutput = await s3.send(
      new ListObjectVersionsCommand({
        Bucket,
        Prefix: 'p',
        MaxKeys: 2,
        KeyMarker,
        VersionIdMarker,
      }),
    )
    const { Versions = [], DeleteMarkers = [] } = page
    seen.push(...[...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => `${Key} ${VersionId}`))
    assert.ok(Versions.length + DeleteMarkers.length <= 2)
    if (page.IsTruncated !== true) break
    ;[KeyMarker, VersionIdMarker] = [page.NextKeyMarker, page.NextVersionIdMarker]
  }
  assert.equal(new Set(seen).size, 10)
  const { CommonPrefixes, Versions } = await s3.send(
    new ListObjectVersionsCommand({ Bucket, Prefix: 'p', Delimiter: '/' }),
  )
  assert.deepEqual(CommonPrefixes, [{ Prefix: 'p/' }])
  assert.deepEqual(
    Versions?.map(({ Key }) => Key),
    ['p-', 'p-', 'p-'],
  )
}

/** Former versions by id, as long as the volume keeps them. */
export async function askForVersions(door: S3Door): Promise<void> {
  const { s3, shoal } = door
  const calls = callsOf(door)
  await s3.send(new CreateBucketCommand({ Bucket }))
  await writeAndRemove(door, calls)
  await suspend(door, calls)
  await writeElsewhere(door, calls)
  await turnPages(door, calls)
  await shoal('volume', 'set', 'main', 'versions=off')
  const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket }))
  assert.equal(Status, 'Suspended', 'nothing is kept any more')
  await assert.rejects(calls.set('Enabled'), { name: 'InvalidBucketState' })
}
