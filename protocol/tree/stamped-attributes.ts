// Attributes of directories and inodes: a register each, of which the greatest stamp wins; and how
// records hold them.
import type { Stamp } from '../clock/dot.ts'
import type { AttributeValues } from '../op/op.ts'
import type { RecordReader, RecordWriter } from './record-codec.ts'
import { isPlanted } from '../planted-faults.ts'

/** An attribute with the stamp of the op that set it: the highest stamp wins. */
export type Stamped<Value> = readonly [value: Value, stamp: Stamp]

export interface StampedAttributes {
  mode?: Stamped<number>
  uid?: Stamped<number>
  gid?: Stamped<number>
  accessedNs?: Stamped<bigint>
  modifiedNs?: Stamped<bigint>
}

/** Merge attribute values set by an op: per attribute the highest stamp wins. */
export function mergeAttributes(
  into: StampedAttributes,
  values: AttributeValues,
  stamp: Stamp,
): void {
  const { mode, uid, gid, accessedNs, modifiedNs } = values
  if (mode !== undefined && isNewer(stamp, into.mode)) into.mode = [mode, stamp]
  if (uid !== undefined && isNewer(stamp, into.uid)) into.uid = [uid, stamp]
  if (gid !== undefined && isNewer(stamp, into.gid)) into.gid = [gid, stamp]
  if (accessedNs !== undefined && isNewer(stamp, into.accessedNs))
    into.accessedNs = [accessedNs, stamp]
  if (modifiedNs !== undefined && isNewer(stamp, into.modifiedNs))
    into.modifiedNs = [modifiedNs, stamp]
}

function isNewer(stamp: Stamp, known: Stamped<unknown> | undefined): boolean {
  return known === undefined || known[1] < stamp || isPlanted('last-attribute-wins')
}

const ATTRIBUTE_FIELDS = 5

export function writeAttributes(w: RecordWriter, a: StampedAttributes): void {
  w.list(ATTRIBUTE_FIELDS)
  for (const field of [a.mode, a.uid, a.gid, a.accessedNs, a.modifiedNs]) {
    if (field === undefined) {
      w.null()
      continue
    }
    w.list(2)
    if (typeof field[0] === 'bigint') w.bigint(field[0])
    else w.integer(field[0])
    w.stamp(field[1])
  }
}

export function readAttributes(r: RecordReader): StampedAttributes {
  const out: StampedAttributes = {}
  r.list()
  if (hasNext(r)) out.mode = [r.integer(), r.stamp()]
  if (hasNext(r)) out.uid = [r.integer(), r.stamp()]
  if (hasNext(r)) out.gid = [r.integer(), r.stamp()]
  if (hasNext(r)) out.accessedNs = [r.bigint(), r.stamp()]
  if (hasNext(r)) out.modifiedNs = [r.bigint(), r.stamp()]
  return out
}

/** Steps over null, or into a pair. */
function hasNext(r: RecordReader): boolean {
  return !r.null() && r.list() === 2
}
