// A collector of traces for tests: takes what nodes send by OTLP over HTTP, and keeps it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { readonly key: string; readonly value: object }[]
  readonly status: { readonly code?: number }
  /** The node that told of it. */
  readonly node: string
}

interface Batch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: CollectedSpan['attributes'] }
    readonly scopeSpans: readonly { readonly spans: readonly CollectedSpan[] }[]
  }[]
}

export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = []
  /** All that came, as text. */
  readonly bodies: string[] = []
  readonly headers: IncomingHttpHeaders[] = []
  /** The status that it answers with. */
  answer = 200
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(): Promise<Collector> {
    const server = createServer((request, response) => {
      let text = ''
      request.setEncoding('utf8')
      request.on('data', (part: string) => (text += part))
      request.once('end', () => {
        collector.#take(request.headers, text)
        response.writeHead(collector.answer, { 'content-type': 'application/json' }).end('{}')
      })
    })
    const collector = new Collector(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return collector
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/traces`
  }

  #take(headers: IncomingHttpHeaders, text: string): void {
    this.headers.push(headers)
    this.bodies.push(text)
    if (this.answer !== 200) return
    for (const { resource, scopeSpans } of (JSON.parse(text) as Batch).resourceSpans) {
      const node = attribute(resource.attributes, 'service.instance.id')
      for (const { spans } of scopeSpans)
        this.spans.push(...spans.map((span) => ({ ...span, node: String(node) })))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** The value of an attribute, whatever its type. */
export function attribute(all: CollectedSpan['attributes'], name: string): unknown {
  const value = all.find(({ key }) => key === name)?.value
  return value === undefined ? undefined : Object.values(value)[0]
}
