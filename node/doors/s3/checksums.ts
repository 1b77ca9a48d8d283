// Checksums that a client may send with a body, and asks for with an object.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Crc32c, Crc64Nvme } from '@aws-sdk/checksums/crc'

const NAMES = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const

export type ChecksumName = (typeof NAMES)[number]

const BYTES: Readonly<Record<ChecksumName, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
}

export interface RunningChecksum {
  update(part: Uint8Array): void
  /** In base64. */
  digest(): Promise<string>
}

export function isChecksumName(text: string): text is ChecksumName {
  return NAMES.some((name) => name === text)
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
