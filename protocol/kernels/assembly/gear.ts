// Gear rolling hash (Xia et al., "FastCDC", USENIX ATC 2016): h(n) = sum of TABLE[byte(n - i)] << i
// over i = 0..63, mod 2^64. A byte's part is shifted out after 64 steps, so h depends on the last
// 64 bytes alone and a search may start anywhere.

/** Bytes that a hash covers. */
const WINDOW: i32 = 64
/** Positions that one search can look at. */
export const POSITIONS_MAX: i32 = 65536

/** 256 little-endian u64. */
export const table: usize = memory.data(256 * 8, 16)
/** WINDOW - 1 bytes before the first position's byte, then one byte a position. */
export const input: usize = memory.data(65536 + 64, 16)

/**
 * The first position in [0, positions) whose hash has its top `bits` bits zero; -1 if there is
 * none.
 */
export function findCut(positions: i32, bits: i32): i32 {
  const limit: u64 = (1 as u64) << (64 - (bits as u64))
  let at = input
  let hash: u64 = 0
  for (const first = input + WINDOW - 1; at < first; at++) hash = (hash << 1) + gear(at, 0)

  // Four bytes a turn: their sum does not wait for the hash, so a turn waits for one shift and one
  // addition.
  for (const last = at + ((positions & ~3) as usize); at < last; at += 4) {
    const sum1 = gear(at, 0)
    const sum2 = (sum1 << 1) + gear(at, 1)
    const sum3 = (sum2 << 1) + gear(at, 2)
    const sum4 = (sum3 << 1) + gear(at, 3)
    if ((hash << 1) + sum1 < limit) return positionOf(at)
    if ((hash << 2) + sum2 < limit) return positionOf(at + 1)
    if ((hash << 3) + sum3 < limit) return positionOf(at + 2)
    hash = (hash << 4) + sum4
    if (hash < limit) return positionOf(at + 3)
  }
  for (const end = input + WINDOW - 1 + (positions as usize); at < end; at++) {
    hash = (hash << 1) + gear(at, 0)
    if (hash < limit) return positionOf(at)
  }
  return -1
}

@inline
function gear(at: usize, offset: usize): u64 {
  return load<u64>(table + ((load<u8>(at + offset) as usize) << 3))
}

@inline
function positionOf(at: usize): i32 {
  return (at - input - (WINDOW - 1)) as i32
}
