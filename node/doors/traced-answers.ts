// Requests at a door of HTTP as spans: each a root, from its headers to the end of its answer.
import { within } from '../traces/span.ts'
import type { Tracer } from '../traces/span.ts'
import type { Exchange } from './web-server.ts'

type Answer = (exchange: Exchange) => Promise<void>

/** The same answers. A span is named by the door and the method, which node:http knows all of. */
export function tracedAnswers(answer: Answer, door: string, tracer: Tracer): Answer {
  return (exchange) => {
    const { request, response } = exchange
    const span = tracer.root(`${door}.${request.method ?? ''}`, { door })
    response.once('close', () => {
      span.end(response.headersSent ? { status: response.statusCode } : undefined)
    })
    return within(span, () => answer(exchange))
  }
}
