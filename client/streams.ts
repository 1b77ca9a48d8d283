// Texts that come bit by bit: lines of JSON, and server-sent events.

/** Parts of a body that end with this text, as they come. */
export async function* linesOf(response: Response, end: string): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) return
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      const parts = (rest + (value ?? '')).split(end)
      rest = parts.pop() ?? ''
      yield* parts
      if (done) break
    }
    if (rest !== '') yield rest
  } finally {
    // It fails where the stream has broken already, as whoever reads it was told.
    await reader.cancel().catch(() => undefined)
  }
}

/** A server-sent event, with its data as JSON. */
export interface ServerEvent {
  readonly event: string
  readonly data: unknown
}

/** The kind and the data of an event; undefined: it only says that the other side is there. */
export function eventOf(text: string): ServerEvent | undefined {
  const fields = new Map(
    text.split('\n').map((line) => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)] as const
    }),
  )
  const data = fields.get('data')
  if (data === undefined) return undefined
  return { event: fields.get('event') ?? 'message', data: JSON.parse(data) as unknown }
}
