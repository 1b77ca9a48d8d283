// The calls about archives of a node in memory: an archive is a header and the bytes of one file.
import { UNKNOWN_ROOT, encodeCarHeader } from '../../protocol/car/car.ts'
import { MemoryPins } from './memory-pins.ts'
import type { FileContent } from '../../node/control/files.ts'
import type { ExchangeApi, ExportOptions, ImportEvent } from '../../node/control/exchange.ts'

/** Root of every archive here: that of an empty file. */
export const ROOT_CID = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

export abstract class MemoryExchange extends MemoryPins implements ExchangeApi {
  abstract readFile(path: string): Promise<FileContent>
  abstract writeFile(path: string, content: AsyncIterable<Uint8Array>): Promise<void>

  async *exportCar(path: string, { onExported }: ExportOptions = {}): AsyncGenerator<Uint8Array> {
    const { content, lengthBytes } = await this.readFile(path)
    yield encodeCarHeader(UNKNOWN_ROOT)
    yield* content
    const counts = { files: 1, folders: 0, symlinks: 0, leftOut: 0, leftOutPaths: [] }
    onExported?.({ root: ROOT_CID, bytes: lengthBytes, ...counts })
  }

  /** The archive itself becomes the file. */
  async *importCar(
    path: string,
    content: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<readonly ImportEvent[]> {
    await this.writeFile(path, content)
    const { lengthBytes: bytes } = await this.readFile(path)
    yield [{ kind: 'verified', sealed: false, root: ROOT_CID, names: 1, bytes }]
    yield [{ kind: 'done', root: ROOT_CID, files: 1, folders: 0, symlinks: 0, bytes }]
  }
}
