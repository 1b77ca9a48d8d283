// Frames as the kernel would send them, and as it never would: each field is what it may be, or
// what is at the edge of its type, or what something else's number is; then some frames are cut,
// stretched, or have bits turned.
import { OPCODE, ROOT_INODE } from '../../node/mount/drivers/kernel/protocol.ts'
import type { SeededRandom } from '../../simulations/random.ts'

const HEADER_BYTES = 40
const NEWEST_OPCODE = 60
const ENTRY_BYTES = 128
const OPEN_BYTES = 16
const KNOWN_MAX = 10

type Field =
  | 'u32'
  | 'u64'
  | 'handle'
  | 'inode'
  | 'position'
  | 'mode'
  | 'flags'
  | 'none'
  | 'name'
  | 'bytes'
  | 'count'

const XATTR_NAMES = [
  'user.a',
  'user.b',
  'trusted.x',
  'system.posix_acl_access',
  'security.capability',
]
const EDGES_32 = [0, 1, 2, 3, 7, 4095, 4096, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1] as const
const EDGES_64 = [
  0n,
  1n,
  4096n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
] as const

/** Bodies by opcode, as linux/fuse.h has them; what is not here has a body of any bytes. */
const LAYOUTS: ReadonlyMap<number, readonly Field[]> = new Map<number, readonly Field[]>([
  [OPCODE.lookup, ['name']],
  [OPCODE.forget, ['u64']],
  [OPCODE.getAttributes, ['flags', 'u32', 'handle']],
  [
    OPCODE.setAttributes,
    [
      ...(['flags', 'u32', 'handle', 'position', 'u64', 'u64', 'u64', 'u64'] as const),
      ...(['u32', 'u32', 'u32', 'mode', 'u32', 'u32', 'u32', 'u32'] as const),
    ],
  ],
  [OPCODE.symlink, ['name', 'name']],
  [OPCODE.mknod, ['mode', 'u32', 'u32', 'u32', 'name']],
  [OPCODE.mkdir, ['mode', 'u32', 'name']],
  [OPCODE.unlink, ['name']],
  [OPCODE.rmdir, ['name']],
  [OPCODE.rename, ['inode', 'name', 'name']],
  [OPCODE.rename2, ['inode', 'flags', 'u32', 'name', 'name']],
  [OPCODE.link, ['inode', 'name']],
  [OPCODE.open, ['flags', 'flags']],
  [OPCODE.read, ['handle', 'position', 'count', 'flags', 'u64', 'flags', 'u32']],
  [OPCODE.write, ['handle', 'position', 'count', 'flags', 'u64', 'flags', 'u32', 'bytes']],
  [OPCODE.release, ['handle', 'flags', 'flags', 'u64']],
  [OPCODE.fsync, ['handle', 'flags', 'u32']],
  [OPCODE.setXattr, ['count', 'flags', 'flags', 'u32', 'name', 'bytes']],
  [OPCODE.getXattr, ['count', 'u32', 'name']],
  [OPCODE.listXattr, ['count', 'u32']],
  [OPCODE.removeXattr, ['name']],
  [OPCODE.flush, ['handle', 'u32', 'u32', 'u64']],
  [OPCODE.openFolder, ['flags', 'flags']],
  [OPCODE.readFolder, ['handle', 'position', 'count', 'flags', 'u64', 'flags', 'u32']],
  [OPCODE.readFolderPlus, ['handle', 'position', 'count', 'flags', 'u64', 'flags', 'u32']],
  [OPCODE.releaseFolder, ['handle', 'flags', 'flags', 'u64']],
  [OPCODE.fsyncFolder, ['handle', 'flags', 'u32']],
  [OPCODE.create, ['flags', 'mode', 'u32', 'flags', 'name']],
  [OPCODE.createUnlinked, ['flags', 'mode', 'u32', 'flags', 'name']],
  [OPCODE.getLock, ['handle', 'u64', 'position', 'position', 'flags', 'u32', 'flags', 'u32']],
  [OPCODE.setLock, ['handle', 'u64', 'position', 'position', 'flags', 'u32', 'flags', 'u32']],
  [OPCODE.interrupt, ['handle']],
  [OPCODE.batchForget, ['count', 'u32', 'inode', 'u64', 'inode', 'u64']],
  [OPCODE.allocate, ['handle', 'position', 'position', 'flags', 'u32']],
  [OPCODE.seek, ['handle', 'position', 'u32', 'u32']],
  [OPCODE.copyRange, ['handle', 'position', 'inode', 'handle', 'position', 'position', 'none']],
  [OPCODE.copyRange64, ['handle', 'position', 'inode', 'handle', 'position', 'position', 'none']],
])

/** Told to end the conversation or to begin it: not in the middle. */
const NEVER: ReadonlySet<number> = new Set([OPCODE.init, OPCODE.destroy])
const KNOWN: readonly number[] = Object.values(OPCODE).filter((opcode) => !NEVER.has(opcode))

/** To what the protocol has no answer. */
export const UNANSWERED: ReadonlySet<number> = new Set([
  OPCODE.forget,
  OPCODE.batchForget,
  OPCODE.interrupt,
])

export function frameOf(opcode: number, unique: number, inode: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(HEADER_BYTES + body.byteLength, 0)
  header.writeUInt32LE(opcode, 4)
  header.writeUInt32LE(unique, 8)
  header.writeUInt32LE(inode, 16)
  return Buffer.concat([header, body])
}

/** The inodes and handles that a conversation has given out lately. */
export class Known {
  readonly inodes: number[] = [ROOT_INODE]
  readonly handles: number[] = [0]

  /** Handles the body of an answer. */
  learn(body: Buffer): void {
    const isEntry = body.length === ENTRY_BYTES || body.length === ENTRY_BYTES + OPEN_BYTES
    if (isEntry) keep(this.inodes, Number(body.readBigUInt64LE(0)))
    const isOpen = body.length === OPEN_BYTES || body.length === ENTRY_BYTES + OPEN_BYTES
    if (isOpen) keep(this.handles, Number(body.readBigUInt64LE(body.length - OPEN_BYTES)))
  }
}

function keep(numbers: number[], number: number): void {
  // A name that is not there has inode 0; and some content looks like an answer that gives out
  // something.
  if (number === 0 || number > 1e6) return
  numbers.push(number)
  // The first is always good for something.
  if (numbers.length > KNOWN_MAX) numbers.splice(1, 1)
}

/** A request that says what it means to; its number is `unique`. */
export function randomFrame(random: SeededRandom, unique: number, known: Known): Buffer {
  const opcode = random.chance(0.02) ? random.below(NEWEST_OPCODE) : random.pick(KNOWN)
  const isRare = opcode === OPCODE.forget || opcode === OPCODE.batchForget
  if (NEVER.has(opcode) || (isRare && random.chance(0.9))) return randomFrame(random, unique, known)
  const layout = LAYOUTS.get(opcode)
  const body = layout === undefined ? random.bytes(random.below(80)) : bodyOf(layout, random, known)
  const frame = frameOf(opcode, unique, random.pick(known.inodes), body)
  if (random.chance(0.3)) frame.writeUInt32LE(random.pick([0, 0, 1000]), 24)
  return frame
}

/** The same with damage, but to its number, and to what it asks. */
export function damaged(random: SeededRandom, frame: Buffer): Buffer {
  switch (random.below(4)) {
    case 0:
      return frame.subarray(0, random.below(frame.length))
    case 1: {
      const cut = frame.subarray(0, HEADER_BYTES + random.below(frame.length - HEADER_BYTES + 1))
      cut.writeUInt32LE(cut.length, 0)
      return cut
    }
    case 2: {
      const stretched = Buffer.concat([frame, random.bytes(random.below(200))])
      if (random.chance(0.7)) stretched.writeUInt32LE(stretched.length, 0)
      return stretched
    }
    default: {
      for (let flips = 1 + random.below(8); flips > 0; flips--) {
        const at = 16 + random.below(frame.length - 16)
        frame[at] = (frame[at] ?? 0) ^ (1 << random.below(8))
      }
      return frame
    }
  }
}

function bodyOf(layout: readonly Field[], random: SeededRandom, known: Known): Buffer {
  const bytes = random.bytes(random.pick([0, 3, 40, 3000, 20_000]))
  return Buffer.concat(
    layout.map((field) => {
      switch (field) {
        case 'bytes':
          return bytes
        case 'count':
          return u32(random.chance(0.7) ? bytes.length : someU32(random))
        case 'name':
          return Buffer.from(`${someName(random)}\0`, 'latin1')
        case 'mode':
          return u32(random.pick([0o100644, 0o40755, 0o10644, 0o120777, someU32(random)]))
        case 'flags':
          return u32(
            random.pick([0, 1, 2, 3, 4, 0o1000, 0o2000, 1 << random.below(12), someU32(random)]),
          )
        case 'u32':
          return u32(someU32(random))
        case 'handle':
          return u64(random.chance(0.8) ? BigInt(random.pick(known.handles)) : someU64(random))
        case 'inode':
          return u64(random.chance(0.8) ? BigInt(random.pick(known.inodes)) : someU64(random))
        case 'position':
          return u64(random.chance(0.8) ? BigInt(random.below(50_000)) : someU64(random))
        case 'none':
          return u64(random.chance(0.9) ? 0n : someU64(random))
        case 'u64':
          return u64(someU64(random))
      }
    }),
  )
}

function someName(random: SeededRandom): string {
  if (random.chance(0.3)) return random.pick(XATTR_NAMES)
  return random.pick([
    'a',
    'b',
    'c',
    'd',
    '',
    '.',
    '..',
    'a/b',
    'x'.repeat(255),
    'x'.repeat(256),
    '\xff\xfe',
  ])
}

function someU32(random: SeededRandom): number {
  return random.chance(0.5) ? random.pick(EDGES_32) : random.word()
}

function someU64(random: SeededRandom): bigint {
  return random.pick(EDGES_64)
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}
