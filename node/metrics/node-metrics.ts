// The metrics of a running node: what is told as it happens, and what is asked for when somebody
// reads them, at most once a second however many do.
import { SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { NodeApi } from '../control/api.ts'
import type { Clock } from '../world/world.ts'
import { serveMetrics } from './metrics-server.ts'
import type { LocalServer } from '../world/local-server.ts'
import { ProcessSamples } from './process-samples.ts'
import type { PrometheusMeter } from './prometheus.ts'
import { samplesOf } from './samples.ts'

const FRESH_MS: number = SECOND_MS

export class NodeMetrics {
  readonly #meter: PrometheusMeter
  readonly #clock: Pick<Clock, 'now'>
  readonly #api: NodeApi
  readonly #process = new ProcessSamples()
  #text: { readonly text: Promise<string>; readonly at: Instant } | undefined

  constructor(parts: { meter: PrometheusMeter; clock: Pick<Clock, 'now'>; api: NodeApi }) {
    this.#meter = parts.meter
    this.#clock = parts.clock
    this.#api = parts.api
  }

  /** throws ShoalError 'usage' where it cannot listen. */
  async serve(at: { readonly host: string; readonly port: number }): Promise<LocalServer> {
    const server = await serveMetrics(
      {
        contentType: this.#meter.contentType,
        metrics: () => this.#read(),
        unready: () => this.#unready(),
      },
      at,
    )
    const close = async (): Promise<void> => {
      this.#process.stop()
      await server.close()
    }
    return { url: server.url, close }
  }

  #read(): Promise<string> {
    const now = this.#clock.now()
    if (this.#text === undefined || now - this.#text.at > FRESH_MS)
      this.#text = { text: this.#collect(), at: now }
    return this.#text.text
  }

  async #collect(): Promise<string> {
    const [status, { raised }] = await Promise.all([this.#api.status(), this.#api.checkAlerts()])
    const names = new Map<string, string>(status.peers.map(({ id, name }) => [id, name]))
    const moves = this.#meter.moves((peer) => names.get(peer) ?? 'other')
    this.#meter.set(new Map([['shoal_network_bytes_total', moves]]))
    this.#meter.set(samplesOf(status, raised))
    this.#meter.set(this.#process.take())
    return this.#meter.text()
  }

  async #unready(): Promise<string | undefined> {
    const { volumes } = await this.#api.status()
    const stopped = volumes.find(({ log }) => log.isHalted || log.stoppedAt !== undefined)
    if (stopped !== undefined) return `the log of ${stopped.name} has stopped: see "shoal status"`
    const waiting = volumes.find(({ log }) => log.stranded !== undefined)
    return waiting && `${waiting.name} is read-only here: see "shoal status"`
  }
}
