// A real node with one door, its volume main, and the token of its owner.
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { withPlace } from './shoal.ts'
import type { Place } from './shoal.ts'

export const ALONE = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'] as const

export interface OpenDoor extends Place {
  readonly url: URL
  readonly token: string
}

/** door: as config.yaml has it, with `127.0.0.1:0` as its address. */
export async function withDoor(
  door: string,
  use: (place: OpenDoor) => Promise<void>,
): Promise<void> {
  await withPlace(async (place) => {
    const { shoal, json, home } = place
    await shoal('init')
    const file = join(home, 'config.yaml')
    await writeFile(file, `${await readFile(file, 'utf8')}doors: [${door}]\n`)
    await shoal('up', '--detach', ...ALONE)
    await shoal('volume', 'create', 'main')
    const [open] = (await json('door', 'ls')) as readonly { readonly url: string }[]
    const { token } = (await json('door', 'token')) as { readonly token: string }
    try {
      await use({ ...place, url: new URL(open?.url ?? ''), token })
    } finally {
      await shoal('down')
    }
  })
}

/** The answer to bytes that are no request of a client that is well. */
export async function answerTo(url: URL, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(url.port), url.hostname)
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (part: string) => (text += part))
  socket.on('error', () => {})
  socket.write(bytes)
  await once(socket, 'close')
  return text
}
