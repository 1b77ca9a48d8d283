// The targets that are told of alerts: a command of this machine, a webhook, a mailbox. They are in
// config.yaml of this machine alone; what is told is never part of a command line of a shell.
import { once } from 'node:events'
import { ShoalError, oneLine } from '../../../protocol/errors.ts'
import { HIDDEN_CHARS } from '../../../protocol/hidden-chars.ts'
import { postJson } from './post-json.ts'
import { runProgram } from '../run-program.ts'

const COMPLAINT_MAX = 300
/** Chars of an argument of a program, or of a header of a mail. */
const TITLE_MAX = 200

/** `label`: the kind and the place, without secrets; `least`: the mildest that it is told of. */
export type AlertTarget = {
  readonly label: string
  readonly least: 'critical' | 'warning' | 'notice'
} & (
  | { readonly kind: 'command'; readonly command: readonly string[] }
  | {
      readonly kind: 'webhook'
      readonly url: string
      readonly headers: Readonly<Record<string, string>>
    }
  | { readonly kind: 'mail'; readonly to: string; readonly from: string; readonly smtp: string }
)

export interface AlertMessage {
  /** A line. */
  readonly title: string
  /** For people. */
  readonly text: string
  /** For programs, as JSON. */
  readonly events: readonly object[]
}

/**
 * Tell one target. throws ShoalError 'alert-failed' saying why it was not told; what the signal
 * says if that aborts.
 */
export async function sendAlert(
  target: AlertTarget,
  message: AlertMessage,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const title = message.title.replace(HIDDEN_CHARS, ' ').slice(0, TITLE_MAX)
  switch (target.kind) {
    case 'command':
      return runCommand(target, { ...message, title }, signal)
    case 'webhook':
      return post(target, { ...message, title }, signal)
    case 'mail':
      return mail(target, { ...message, title }, signal)
  }
}

/** The title is its last argument, the events are its input, a JSON text a line. */
async function runCommand(
  { command, label }: AlertTarget & { kind: 'command' },
  { title, events }: AlertMessage,
  signal: AbortSignal,
): Promise<void> {
  const input = events.map((event) => `${JSON.stringify(event)}\n`).join('')
  let how: string | undefined
  try {
    how = await runProgram([...command, title], { input, signal, endBy: 'SIGKILL' })
  } catch (error) {
    signal.throwIfAborted()
    throw failed(label, (error as Error).message)
  }
  if (how !== undefined) throw failed(label, how)
}

async function post(
  { url, headers, label }: AlertTarget & { kind: 'webhook' },
  { title, text, events }: AlertMessage,
  signal: AbortSignal,
): Promise<void> {
  // "text" is what chat services show (Slack, Mattermost, Rocket.Chat).
  const body = JSON.stringify({ title, text: `${title}\n${text}`, alerts: events })
  try {
    await postJson({ url, headers }, body, signal)
  } catch (error) {
    signal.throwIfAborted()
    throw failed(label, (error as Error).message)
  }
}

async function mail(
  { to, from, smtp, label }: AlertTarget & { kind: 'mail' },
  { title, text }: AlertMessage,
  signal: AbortSignal,
): Promise<void> {
  const { createTransport } = await import('nodemailer')
  const transport = createTransport(withTls(smtp))
  const end = (): void => transport.close()
  signal.addEventListener('abort', end, { once: true })
  try {
    await Promise.race([
      transport.sendMail({
        from,
        to,
        subject: title,
        text,
        disableFileAccess: true,
        disableUrlAccess: true,
      }),
      once(signal, 'abort'),
    ])
    signal.throwIfAborted()
  } catch (error) {
    signal.throwIfAborted()
    throw failed(label, oneLine((error as Error).message).slice(0, COMPLAINT_MAX))
  } finally {
    signal.removeEventListener('abort', end)
    transport.close()
  }
}

/** A password goes over the network by TLS alone. */
function withTls(smtp: string): string {
  const url = new URL(smtp)
  const isHere = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url.password !== '' && !isHere) url.searchParams.set('requireTLS', 'true')
  return url.href
}

function failed(label: string, why: string): ShoalError {
  return new ShoalError('alert-failed', `${label}: ${why}`)
}
