// Little-endian 64-bit fields as numbers: exact up to 2^53 - 1, and several times faster than by
// way of bigint.

const TWO_TO_32 = 2 ** 32

export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * TWO_TO_32
}

export function writeU64(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value % TWO_TO_32, at)
  bytes.writeUInt32LE(Math.floor(value / TWO_TO_32), at + 4)
}
