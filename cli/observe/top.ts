// `shoal top`: what the node and its peers do, drawn again and again until somebody leaves.
import { hasCode } from '../../protocol/errors.ts'
import { jsonLine } from '../output.ts'
import { topFrame } from './top-frame.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

/** The other screen of a terminal, without a cursor; and back. */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
/** To the corner; what is behind the end of a line; and below. */
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
const CTRL_C = '\u0003'

export function addTop(program: Command, context: Context): void {
  program
    .command('top')
    .description('show rates, peers and work, live')
    .option('-1, --once', 'print it once and exit (the default where no terminal shows it)')
    .addHelpText(
      'after',
      `
Leave it with q. A bar is a minute of the last hour; rates are over one to two
minutes. MAY-LOSE is how many machines may be lost at once; HERE-ONLY is what
lies on this machine alone; REPAIR the stripes in repair and in the queue;
BEHIND the entries of the log that a peer has yet to confirm.

Example:
  shoal top
  shoal top --once`,
    )
    .action(({ once = false }: { readonly once?: boolean }) =>
      once || context.json || context.stdout.isTTY !== true ? printOnce(context) : live(context),
    )
}

async function printOnce(context: Context): Promise<void> {
  for await (const [seen] of context.client.watch({ signal: context.signal })) {
    if (seen === undefined) continue
    const screen = { columns: context.columns ?? Infinity, rows: Infinity }
    context.stdout.write(
      context.json
        ? `${jsonLine(seen)}\n`
        : topFrame(seen, Date.now(), screen)
            .map((line) => `${line.trimEnd()}\n`)
            .join(''),
    )
    return
  }
}

async function live(context: Context): Promise<void> {
  const { stdout } = context
  const left = new AbortController()
  const signal = AbortSignal.any([context.signal, left.signal])
  const stopKeys = onKey((key) => {
    if (key === 'q' || key === CTRL_C) left.abort()
  })
  stdout.write(ENTER)
  let draw = (): void => {}
  const redraw = (): void => draw()
  stdout.on('resize', redraw)
  try {
    for await (const [seen] of context.client.watch({ signal })) {
      if (seen === undefined) continue
      draw = () => {
        const screen = { columns: stdout.columns ?? Infinity, rows: stdout.rows ?? Infinity }
        const lines = topFrame(seen, Date.now(), screen)
        stdout.write(HOME + lines.map((line) => line + CLEAR_LINE).join('\r\n') + CLEAR_BELOW)
      }
      draw()
    }
  } catch (error) {
    // To leave is how it ends.
    if (!(signal.aborted && hasCode(error, 'aborted'))) throw error
  } finally {
    stdout.off('resize', redraw)
    stdout.write(LEAVE)
    stopKeys()
  }
}

/** Hear each key as it is pressed. returns how to hear no more. */
function onKey(listener: (key: string) => void): () => void {
  const { stdin } = process
  if (!stdin.isTTY) return () => undefined
  const hear = (bytes: Buffer): void => {
    for (const key of bytes.toString()) listener(key)
  }
  stdin.setRawMode(true).on('data', hear).resume()
  return () => {
    stdin.off('data', hear).pause()
    stdin.setRawMode(false)
  }
}
