// Bytes of the records of the tree (docs/formats/tree.md#records): a DAG-CBOR list each. A stamp
// that was written before in the same record is the number of that one, from 0: most records have
// one or two.
import { CborReader, CborWriter } from '../cbor-items.ts'
import { ShoalError } from '../errors.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import type { NodeId } from '../ids.ts'
import { STAMP_BYTES, makeDot } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { ActorId } from '../ids.ts'
import type { Name } from '../op/names.ts'

const ID_CHARS = 2 * SHORT_ID_BYTES

export class RecordWriter extends CborWriter {
  #stamps: Stamp[] = []

  /** Begin a record of so many fields. */
  begin(fieldCount: number): this {
    this.reset()
    this.#stamps = []
    this.list(fieldCount)
    return this
  }

  stamp(stamp: Stamp): void {
    const known = this.#stamps.indexOf(stamp)
    if (known >= 0) return this.integer(known)
    this.#stamps.push(stamp)
    this.byteString(stamp)
  }

  /** In one order, whatever order they are given in. */
  dots(dots: readonly Dot[]): void {
    this.list(dots.length)
    for (const dot of dots.length > 1 ? dots.toSorted() : dots) {
      const colon = dot.indexOf(':', ID_CHARS + 1)
      this.list(3)
      this.hex(dot.slice(0, ID_CHARS))
      this.integer(Number(dot.slice(ID_CHARS + 1, colon)))
      this.integer(Number(dot.slice(colon + 1)))
    }
  }

  ids(ids: readonly NodeId[]): void {
    this.list(ids.length)
    for (const id of ids) this.hex(id)
  }
}

/** throws ShoalError 'corrupt' for what RecordWriter never makes. */
export class RecordReader extends CborReader {
  readonly #stamps: Stamp[] = []
  /** Fields of the record. */
  readonly count: number

  constructor(bytes: Uint8Array, fieldCount: number) {
    super(bytes, 'a tree record')
    this.count = this.list()
    if (this.count < fieldCount)
      throw new ShoalError('corrupt', 'a tree record is of another version')
  }

  id(): NodeId {
    return checkLength(this.hex(), ID_CHARS) as NodeId
  }

  name(): Name {
    return this.byteString() as Name
  }

  stamp(): Stamp {
    const known = this.isInteger() ? this.#stamps[this.integer()] : undefined
    if (known !== undefined) return known
    const stamp = checkLength(this.byteString(), STAMP_BYTES) as Stamp
    this.#stamps.push(stamp)
    return stamp
  }

  dots(): Dot[] {
    return this.items(() => {
      this.list()
      return makeDot(this.id() as string as ActorId, this.integer(), this.integer())
    })
  }

  ids(): NodeId[] {
    return this.items(() => this.id())
  }

  items<Item>(read: () => Item): Item[] {
    return repeat(this.list(), read)
  }

  /** All fields of a record that is a list of like things. */
  rest<Item>(read: () => Item): Item[] {
    return repeat(this.count, read)
  }
}

function repeat<Item>(count: number, read: () => Item): Item[] {
  const items: Item[] = []
  for (let i = 0; i < count; i++) items.push(read())
  return items
}

function checkLength(text: string, length: number): string {
  if (text.length === length) return text
  throw new ShoalError('corrupt', 'a tree record holds an id or a stamp of a wrong length')
}
