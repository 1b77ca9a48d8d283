// An archive of files as they are (ZIP 6.3, stored, with ZIP64), made in the browser: a
// folder is downloaded as one file, and the node need not know of it.

/** CRC-32 as ZIP has it (ISO 3309, reflected). */
const CRC_TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})
const MAX_32 = 0xffffffff
const MAX_16 = 0xffff
/** Names are UTF-8. */
const FLAGS = 0x0800
const VERSION = 45

interface Entry {
  readonly name: Uint8Array<ArrayBuffer>
  readonly crc: number
  readonly size: number
  readonly offset: number
}

export class Zip {
  readonly #parts: (Uint8Array<ArrayBuffer> | Blob)[] = []
  readonly #entries: Entry[] = []
  #offset = 0

  /** name: with '/' between folders; one that ends with it is a folder. */
  async add(name: string, content: Blob): Promise<void> {
    const entry: Entry = {
      name: new TextEncoder().encode(name),
      crc: await crcOf(content),
      size: content.size,
      offset: this.#offset,
    }
    this.#put(headOf(entry), entry.name, sizesOf([entry.size, entry.size]), content)
    this.#entries.push(entry)
  }

  end(): Blob {
    const begin = this.#offset
    for (const entry of this.#entries)
      this.#put(directoryHeadOf(entry), entry.name, sizesOf([entry.size, entry.size, entry.offset]))
    this.#put(endOf(this.#entries.length, begin, this.#offset - begin))
    return new Blob(this.#parts, { type: 'application/zip' })
  }

  #put(...parts: readonly (Uint8Array<ArrayBuffer> | Blob)[]): void {
    for (const part of parts) {
      this.#parts.push(part)
      this.#offset += part instanceof Blob ? part.size : part.byteLength
    }
  }
}

async function crcOf(content: Blob): Promise<number> {
  let crc = MAX_32
  const reader = content.stream().getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return (crc ^ MAX_32) >>> 0
    for (const byte of value) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  }
}

/** Always with sizes in 64 bits: one way to write is enough. */
function sizesOf(sizes: readonly number[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 + 8 * sizes.length))
  view.setUint16(0, 1, true)
  view.setUint16(2, 8 * sizes.length, true)
  sizes.forEach((size, index) => view.setBigUint64(4 + 8 * index, BigInt(size), true))
  return new Uint8Array(view.buffer)
}

type Field = readonly [bytes: 2 | 4 | 8, value: number]

function fields(...all: readonly Field[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(all.reduce((sum, [bytes]) => sum + bytes, 0)))
  let at = 0
  for (const [bytes, value] of all) {
    if (bytes === 2) view.setUint16(at, value, true)
    else if (bytes === 4) view.setUint32(at, value, true)
    else view.setBigUint64(at, BigInt(value), true)
    at += bytes
  }
  return new Uint8Array(view.buffer)
}

/** Version, flags, method, time and date (1980), CRC, sizes, lengths of name and extra. */
function commonOf({ crc, name }: Entry, extraBytes: number): readonly Field[] {
  const made: readonly Field[] = [
    [2, FLAGS],
    [2, 0],
    [2, 0],
    [2, 33],
  ]
  const sizes: readonly Field[] = [
    [4, MAX_32],
    [4, MAX_32],
  ]
  return [[2, VERSION], ...made, [4, crc], ...sizes, [2, name.byteLength], [2, extraBytes]]
}

function headOf(entry: Entry): Uint8Array<ArrayBuffer> {
  return fields([4, 0x04034b50], ...commonOf(entry, 20))
}

function directoryHeadOf(entry: Entry): Uint8Array<ArrayBuffer> {
  const rest: readonly Field[] = [
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, MAX_32],
  ]
  return fields([4, 0x02014b50], [2, VERSION], ...commonOf(entry, 28), ...rest)
}

/** The ends of both kinds of archives, and where the first is. */
function endOf(count: number, begin: number, length: number): Uint8Array<ArrayBuffer> {
  return fields(
    [4, 0x06064b50],
    [8, 44],
    [2, VERSION],
    [2, VERSION],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, length],
    [8, begin],
    [4, 0x07064b50],
    [4, 0],
    [8, begin + length],
    [4, 1],
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, MAX_16],
    [2, MAX_16],
    [4, MAX_32],
    [4, MAX_32],
    [2, 0],
  )
}
