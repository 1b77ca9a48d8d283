// The conversation with the kernel, fed what no kernel says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OPCODE } from '../../node/mount/drivers/kernel/protocol.ts'
import { Session } from '../../node/mount/drivers/kernel/session.ts'
import { MemoryFileSystem } from './memory-file-system.ts'
import { UNANSWERED, frameOf } from './robust-frames.ts'

const HEADER_BYTES = 40
const SEED = 7

interface Talk {
  readonly session: Session
  readonly answered: number[]
  readonly fileSystem: MemoryFileSystem
}

function talk(): Talk {
  const answered: number[] = []
  const fileSystem = new MemoryFileSystem()
  const session = new Session(
    {
      fileSystem,
      send: (unique) => void answered.push(unique),
      report: () => undefined,
    },
    { timeouts: { attributeMs: 0, entryMs: 0 } },
  )
  return { session, answered, fileSystem }
}

test('every request with a header is answered once, whatever its body', async () => {
  const request = fc.record({
    opcode: fc.constantFrom(...Object.values(OPCODE), 63, 4096),
    inode: fc.nat({ max: 3 }),
    body: fc.uint8Array({ maxLength: 200 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 20 }), async (requests) => {
      const { session, answered } = talk()
      const expected: number[] = []
      for (const [index, { opcode, inode, body }] of requests.entries()) {
        void session.receive(frameOf(opcode, index + 1, inode, body))
        if (!UNANSWERED.has(opcode)) expected.push(index + 1)
      }
      await session.end()
      const unanswered = expected.filter((unique) => !answered.includes(unique))
      assert.deepEqual(unanswered, [])
      assert.equal(new Set(answered).size, answered.length)
    }),
    { seed: SEED, numRuns: 300 },
  )
})

test('frames with an incomplete header or a wrong length change nothing', async () => {
  const { session, answered } = talk()
  for (let length = 0; length < HEADER_BYTES; length++) {
    assert.equal(session.receive(new Uint8Array(length)), undefined)
  }
  assert.deepEqual(answered, [])
  void session.receive(frameOf(OPCODE.lookup, 5, 1, Buffer.from('a\0')).subarray(0, 41))
  assert.deepEqual(answered, [5])
  await session.end()
})

test('a kernel that is too old is refused with the version that is needed', async () => {
  const { session, answered } = talk()
  const body = Buffer.alloc(16)
  body.writeUInt32LE(7, 0)
  body.writeUInt32LE(20, 4)
  void session.receive(frameOf(OPCODE.init, 1, 0, body))
  await assert.rejects(session.ready, { code: 'mount-failed', message: /7\.20.*is needed/ })
  assert.deepEqual(answered, [1])
  await session.end()
})

test('a request interrupted twice, and then by unmounting, is answered once', async () => {
  const { session, answered, fileSystem } = talk()
  fileSystem.before = (operation) =>
    operation === 'read' ? new Promise((resolve) => setImmediate(resolve)) : undefined
  const read = Buffer.alloc(40)
  void session.receive(frameOf(OPCODE.read, 8, 2, read))
  const target = Buffer.alloc(8)
  target.writeUInt32LE(8)
  for (let unique = 9; unique < 11; unique++)
    void session.receive(frameOf(OPCODE.interrupt, unique, 0, target))
  await session.end()
  assert.deepEqual(answered, [8])
})
