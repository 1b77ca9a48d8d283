// The owner's calls about CAR files.
import type { ExchangeApi } from '../control/exchange.ts'
import { FileAccess } from './access.ts'
import type { NodeParts } from './parts.ts'

export function exchangeApi(node: NodeParts): ExchangeApi {
  const { exchange, until } = node
  const access = new FileAccess(node)
  return {
    exportCar: (path, options = {}) =>
      access.readEach(path, options, (at) => exchange.export(at, options, until(options.signal))),

    importCar: (path, content, options = {}) =>
      access.writeEach(path, options, async function* (at, change) {
        const signals = { until: until(options.signal), kept: until(undefined) }
        const incoming = { content, sizeBytes: options.sizeBytes }
        const { preserve = false } = options
        yield* exchange.import({ ...at, change, preserve }, incoming, signals)
        await at.hosted.acknowledge(options.ack, signals.until)
      }),
  }
}
