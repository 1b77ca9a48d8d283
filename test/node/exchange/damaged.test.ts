// Archives that are damaged, incomplete, or made to do harm: each is refused with the block that is
// to blame, and leaves nothing in the namespace nor in the home.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encode, prepare } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { concatBytes, utf8 } from '../../../protocol/bytes.ts'
import {
  CODEC_DAG_PB,
  encodeCarHeader,
  encodeSectionHead,
  encodeVarint,
  sha256Cid,
} from '../../../protocol/car/car.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { sha256 } from '../../../protocol/hash.ts'
import { assertNothingLeft, bytesOf, exported, imported, putTree, withNode } from './archives.ts'
import type { Block } from '../../../protocol/car/car.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'

const LEAF = 262_144
const RAW = 0x55

describe('a damaged archive', () => {
  test('an archive with any byte flipped or any end cut off is refused', async () => {
    let car = new Uint8Array(0)
    await withNode(async (api) => {
      await putTree(api, '/tree', { a: bytesOf(3 * LEAF), 'b/c': utf8('c'), d: utf8('d') })
      car = Uint8Array.from((await exported(api, '/tree')).car)
    })
    const step = Math.floor(car.length / 40)
    await withNode(async (api, node) => {
      for (let at = 3; at < car.length; at += at < 200 ? 7 : step) {
        const flipped = Uint8Array.from(car)
        flipped[at] = (flipped[at] ?? 0) ^ 0x10
        await assert.rejects(imported(api, '/x', flipped), isRefusal, `byte ${at}`)
        await assert.rejects(imported(api, '/x', car.subarray(0, at)), isRefusal, `cut at ${at}`)
      }
      await assertNothingLeft(api, node)
    })
  })

  test('a damaged block is refused with its CID and position', () =>
    withNode(async (api, node) => {
      const blocks = [leaf('one'), leaf('two'), leaf('three')]
      const car = carOf(folder(blocks.map((block, at) => [`file ${at}`, block])), blocks)
      car[car.length - 3] = 0
      const [, , third] = blocks
      const at = car.length - (1 + 36 + 5)
      await assert.rejects(imported(api, '/x', car), {
        code: 'corrupt',
        message: new RegExp(
          `block 4 \\(${String(third?.cid)}\\) at byte ${at} .*nothing was imported`,
        ),
      })
      await assertNothingLeft(api, node)
    }))

  test('a missing block is refused with its CID', () =>
    withNode(async (api, node) => {
      const [one, two] = [leaf('one'), leaf('two')]
      const root = folder([
        ['one', one],
        ['two', two],
      ])
      await assert.rejects(imported(api, '/x', carOf(root, [one])), {
        code: 'corrupt',
        message: new RegExp(`lacks block ${String(two.cid)}`),
      })
      await assertNothingLeft(api, node)
    }))

  const one = leaf('one')
  const header = encodeCarHeader(one.cid)
  const NO_CAR = /^this is no CAR archive, as .*; nothing was imported$/
  const headers: readonly (readonly [string, Uint8Array, ErrorCode, RegExp?])[] = [
    ['is empty', new Uint8Array(0), 'corrupt', NO_CAR],
    ['is text', utf8('PK and so on, for a while\n'.repeat(10)), 'malformed', NO_CAR],
    ['is a word', utf8('hello'), 'corrupt', NO_CAR],
    ['says version 3', framed({ version: 3, roots: [one.cid] }), 'unsupported'],
    ['names no root', framed({ version: 1, roots: [] }), 'malformed'],
    ['names two roots', framed({ version: 1, roots: [one.cid, one.cid] }), 'unsupported'],
    ['names what is no CID', framed({ version: 1, roots: ['x'] }), 'malformed'],
    ['has no roots', framed({ version: 1 }), 'malformed'],
    ['has no length', Uint8Array.of(0), 'malformed'],
    ['says it is huge', encodeVarint(2 ** 40), 'malformed'],
    ['has a length without end', new Uint8Array(20).fill(0xff), 'malformed'],
    ['is that of a CARv2 without more', framed({ version: 2 }), 'corrupt'],
    [
      'is followed by a huge block',
      concatBytes([header, encodeVarint(2 ** 45), one.bytes]),
      'corrupt',
    ],
    ['is followed by an empty section', concatBytes([header, Uint8Array.of(0)]), 'corrupt'],
    ['is followed by no block', header, 'corrupt'],
  ]
  for (const [what, bytes, code, message = /./] of headers)
    test(`an archive is refused if its header ${what}`, () =>
      withNode(async (api, node) => {
        await assert.rejects(imported(api, '/x', bytes), { code, message })
        await assertNothingLeft(api, node)
      }))
})

describe('an invalid tree', () => {
  const one = leaf('one')
  const two = leaf('two')
  const empty = folder([])
  const trees: readonly (readonly [string, () => readonly Block[], ErrorCode?])[] = [
    ...['..', '.', '', 'a/b', '/', 'a\0b', 'ü'.repeat(128)].map(
      (name) =>
        [`a file is named ${JSON.stringify(name)}`, () => [folder([[name, one]]), one]] as const,
    ),
    [
      'a name is twice',
      () => [
        folder([
          ['a', one],
          ['a', two],
        ]),
        one,
        two,
      ],
    ],
    [
      'two names are the same to Unicode',
      () => [
        folder([
          ['\u00fc', one],
          ['u\u0308', two],
        ]),
        one,
        two,
      ],
    ],
    ['a folder is part of a file', () => [file([[empty, 0]]), empty]],
    ['a symlink is part of a file', () => [file([[symlink('x'), 1]]), symlink('x')]],
    ['a part is said to be larger', () => [file([[one, 4]]), one]],
    ['a part has no size', () => [file([[one, undefined]]), one]],
    ['a symlink points nowhere', () => [symlink('')]],
    ['a symlink is too long', () => [symlink('x'.repeat(5000))]],
    ['a node is no UnixFS', () => [node(utf8('no UnixFS'), [])]],
    ['a block is no dag-pb', () => [block(CODEC_DAG_PB, utf8('no dag-pb'))]],
    [
      'a node is of another codec',
      () => [folder([['a', block(0x0129, utf8('{}'))]]), block(0x0129, utf8('{}'))],
      'unsupported',
    ],
    ['a hash is not known', () => [folder([['a', sha512(one)]]), sha512(one)], 'unsupported'],
    ['folders lie 3,000 deep', () => nested(3_000)],
    ['paths are longer than a path can be', () => nested(40, 'n'.repeat(200))],
    ['each folder has the next twice, 60 deep', () => doubled(60)],
    ['each part of a file is the next twice, 60 deep', () => doubledFile(60)],
    [
      'a shard is twice in a folder',
      () => {
        const below = shard([['00a', one]])
        return [
          shard([
            ['00', below],
            ['01', below],
          ]),
          below,
          one,
        ]
      },
    ],
    [
      'a name is in two shards',
      () => {
        const [a, b] = [shard([['00a', one]]), shard([['01a', one]])]
        return [
          shard([
            ['00', a],
            ['01', b],
          ]),
          a,
          b,
          one,
        ]
      },
    ],
    ['a shard is no shard', () => [shard([['00', one]]), one]],
  ]
  for (const [what, make, code = 'malformed'] of trees)
    test(`an archive is refused if ${what}`, () =>
      withNode(async (api, node) => {
        const blocks = make()
        const [root, ...others] = blocks
        assert(root !== undefined)
        await assert.rejects(imported(api, '/x', carOf(root, others)), (error: unknown) => {
          assert.equal((error as { code?: string }).code, code, String(error))
          assert.match(String(error), /block (\w+)/)
          return true
        })
        await assertNothingLeft(api, node)
      }))
})

/** It was looked at, and it was said what is wrong; 'corrupt' with the block or the place. */
function isRefusal(error: unknown): boolean {
  const { code, message } = error as { code: string; message: string }
  assert(['corrupt', 'malformed', 'unsupported'].includes(code), String(error))
  assert.match(message, /block|byte|header|root|archive/)
  return true
}

function leaf(text: string): Block {
  return block(RAW, utf8(text))
}

function block(codec: number, bytes: Uint8Array): Block {
  return { cid: CID.createV1(codec, createDigest(0x12, sha256(bytes))), bytes }
}

function sha512({ bytes }: Block): Block {
  return { cid: CID.createV1(RAW, createDigest(0x13, new Uint8Array(64))), bytes }
}

function node(data: Uint8Array, links: readonly (readonly [string, Block])[]): Block {
  const Links = links.map(([Name, { cid: Hash }]) => ({ Name, Hash, Tsize: 0 }))
  const bytes = encode(prepare({ Data: data, Links }))
  return { cid: sha256Cid(CODEC_DAG_PB, bytes), bytes }
}

function folder(links: readonly (readonly [string, Block])[]): Block {
  return node(new UnixFS({ type: 'directory' }).marshal(), links)
}

function shard(links: readonly (readonly [string, Block])[]): Block {
  const data = new UnixFS({ type: 'hamt-sharded-directory', fanout: 256n, hashType: 0x22n })
  return node(data.marshal(), links)
}

function file(parts: readonly (readonly [Block, number | undefined])[]): Block {
  const blockSizes = parts.flatMap(([, size]) => (size === undefined ? [] : [BigInt(size)]))
  const data = new UnixFS({ type: 'file', blockSizes })
  return node(
    data.marshal(),
    parts.map(([part]) => ['', part]),
  )
}

function symlink(target: string): Block {
  return node(new UnixFS({ type: 'symlink', data: utf8(target) }).marshal(), [])
}

function nested(depth: number, name = 'n'): readonly Block[] {
  const blocks = [folder([])]
  for (let at = 0; at < depth; at++)
    blocks.unshift(folder(blocks.slice(0, 1).map((one) => [name, one])))
  return blocks
}

function doubled(depth: number): readonly Block[] {
  const blocks = [folder([])]
  for (let at = 0; at < depth; at++)
    blocks.unshift(
      folder(
        blocks.slice(0, 1).flatMap(
          (one) =>
            [
              ['a', one],
              ['b', one],
            ] as const,
        ),
      ),
    )
  return blocks
}

function doubledFile(depth: number): readonly Block[] {
  const blocks = [leaf('x')]
  for (let at = 0; at < depth; at++) {
    const [below = leaf('')] = blocks
    blocks.unshift(
      file([
        [below, 2 ** at],
        [below, 2 ** at],
      ]),
    )
  }
  return blocks
}

function carOf(root: Block, others: readonly Block[]): Uint8Array {
  return concatBytes([
    encodeCarHeader(root.cid),
    ...[root, ...others].flatMap((one) => [
      encodeSectionHead(one.cid.bytes, one.bytes.length),
      one.bytes,
    ]),
  ])
}

function framed(header: unknown): Uint8Array {
  const bytes = encodeCbor(header)
  return concatBytes([encodeVarint(bytes.length), bytes])
}
