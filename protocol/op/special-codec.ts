// Wire form of a special file, in ops and in records: [type, rdev], the type as in the upper 4 bits
// of st_mode (inode(7), S_IFMT).
import { ShoalError } from '../errors.ts'
import type { SpecialFile } from './op.ts'
import { integer, list } from '../cbor-values.ts'

const TYPES: Readonly<Record<SpecialFile['kind'], number>> = {
  fifo: 1,
  'character-device': 2,
  'block-device': 6,
  socket: 12,
}
const KINDS = new Map(Object.entries(TYPES).map(([kind, type]) => [type, kind]))
const RDEV_MAX: number = 2 ** 32 - 1

export function encodeSpecial({ kind, rdev }: SpecialFile): readonly [type: number, rdev: number] {
  return [TYPES[kind], rdev]
}

/** throws ShoalError 'malformed', 'unsupported' for a type that this node does not know. */
export function decodeSpecial(value: unknown): SpecialFile {
  const [type, rdev] = list(value, 16)
  const kind = KINDS.get(integer(type)) as SpecialFile['kind'] | undefined
  if (kind === undefined)
    throw new ShoalError('unsupported', `special file type ${String(type)} is newer than this node`)
  return { kind, rdev: integer(rdev, RDEV_MAX) }
}
