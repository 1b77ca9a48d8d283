// Checksums that a client may send with a body, and asks for with an object.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Crc32c, Crc64Nvme } from '@aws-sdk/checksums/crc'
import { joinCrcs } from './join-crcs.ts'
import type { Crc } from './join-crcs.ts'
import { invalid } from './s3-error.ts'

const NAMES = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const

export type ChecksumName = (typeof NAMES)[number]

const BYTES: Readonly<Record<ChecksumName, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
}

/** Those of the whole content can be joined out of those of parts; others are of these. */
const CRCS: Partial<Readonly<Record<ChecksumName, Crc>>> = {
  CRC32: { bits: 32, polynomial: 0xedb8_8320n },
  CRC32C: { bits: 32, polynomial: 0x82f6_3b78n },
  CRC64NVME: { bits: 64, polynomial: 0x9a6c_9329_ac4b_c9b5n },
}

/** A checksum of an object in parts: of all bytes, or of the checksums of its parts. */
export interface ChecksumKind {
  readonly name: ChecksumName
  readonly isFull: boolean
}

export interface RunningChecksum {
  update(part: Uint8Array): void
  /** In base64. */
  digest(): Promise<string>
}

export function isChecksumName(text: string): text is ChecksumName {
  return NAMES.some((name) => name === text)
}

/** The kind that an upload names, and that S3 has. throws S3Error. */
export function kindOf(named: string, type: string | undefined): ChecksumKind {
  const name = named.toUpperCase()
  if (!isChecksumName(name)) throw invalid('there is no such checksum', 'InvalidRequest')
  const byDefault = name === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
  const isFull = (type ?? byDefault) === 'FULL_OBJECT'
  const isKnown = isFull || (type ?? byDefault) === 'COMPOSITE'
  if (!isKnown || (isFull ? CRCS[name] === undefined : name === 'CRC64NVME'))
    throw invalid(`there is no ${name} of type ${type}`, 'InvalidRequest')
  return { name, isFull }
}

/** The checksum of an object in base64, out of those of its parts. */
export async function joinChecksums(
  { name, isFull }: ChecksumKind,
  parts: readonly { readonly value: string; readonly sizeBytes: number }[],
): Promise<string> {
  const crc = CRCS[name]
  const values = parts.map(({ value }) => Buffer.from(value, 'base64'))
  if (!isFull || crc === undefined) {
    const running = startChecksum(name)
    for (const value of values) running.update(value)
    return `${await running.digest()}-${parts.length}`
  }
  const joined = joinCrcs(
    crc,
    parts.map(({ sizeBytes }, at) => ({
      crc: BigInt(`0x${values[at]?.toString('hex') ?? '0'}`),
      sizeBytes,
    })),
  )
  return Buffer.from(joined.toString(16).padStart(2 * BYTES[name], '0'), 'hex').toString('base64')
}

export function checksumBytes(name: ChecksumName): number {
  return BYTES[name]
}

/** Is it a value of one, in base64? */
export function isChecksum(name: ChecksumName, text: string | undefined = ''): boolean {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === BYTES[name] && bytes.toString('base64') === text
}

/** The header, or trailer, that has the value of one. */
export function checksumHeader(name: ChecksumName): string {
  return `x-amz-checksum-${name.toLowerCase()}`
}

/** The checksum that a header names. */
export function checksumOfHeader(header: string): ChecksumName | undefined {
  return NAMES.find((name) => checksumHeader(name) === header.toLowerCase())
}

export function startChecksum(name: ChecksumName): RunningChecksum {
  switch (name) {
    case 'CRC32':
      return crc32Running()
    case 'SHA1':
    case 'SHA256': {
      const hash = createHash(name.toLowerCase())
      return { update: (part) => void hash.update(part), digest: async () => hash.digest('base64') }
    }
    case 'CRC32C':
    case 'CRC64NVME': {
      const crc = name === 'CRC32C' ? new Crc32c() : new Crc64Nvme()
      return {
        update: (part) => crc.update(part),
        digest: async () => Buffer.from(await crc.digest()).toString('base64'),
      }
    }
  }
}

function crc32Running(): RunningChecksum {
  let sum = 0
  return {
    update: (part) => {
      sum = crc32(part, sum)
    },
    async digest() {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(sum)
      return bytes.toString('base64')
    },
  }
}
