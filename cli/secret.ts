// Reads the secret of a protected home from a credential of systemd, a file, or the terminal.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from '../protocol/errors.ts'
import type { Context } from './context.ts'

const FILE_VARIABLE = 'SHOAL_PASSPHRASE_FILE'
/** The variable with the folder of a service's credentials (systemd.exec(5)). */
const CREDENTIALS_VARIABLE = 'CREDENTIALS_DIRECTORY'
const [ENTER, BACKSPACE, INTERRUPT] = ['\r', '\u007f', '\u0003']

export interface SecretOptions {
  readonly passphraseFile?: string | undefined
}

/** The name of the systemd credential that holds the secret of a home, if there is one. */
interface Asked {
  readonly credential?: string | undefined
}

/** For options of commands. */
export const PASSPHRASE_FILE_HELP: string = `file with the passphrase of a protected home (default: $${FILE_VARIABLE})`

/** throws ShoalError 'EACCES' where there is none. */
export async function readSecret(
  context: Context,
  { passphraseFile }: SecretOptions,
  { credential }: Asked,
): Promise<Uint8Array> {
  const found = await secretAtHand({ passphraseFile }, { credential })
  if (found !== undefined) return found
  if (process.stdin.isTTY) return prompt(context, `Passphrase of ${context.home}: `)
  const named = credential === undefined ? '' : `the systemd credential "${credential}", `
  throw new ShoalError(
    'EACCES',
    `the home ${context.home} is protected: provide ${named}--passphrase-file or ` +
      `$${FILE_VARIABLE}, or run this on a terminal.`,
  )
}

/** The same, where nobody need be asked. */
export async function secretAtHand(
  { passphraseFile }: SecretOptions,
  { credential }: Asked,
): Promise<Uint8Array | undefined> {
  const folder = process.env[CREDENTIALS_VARIABLE]
  if (credential !== undefined && folder !== undefined && passphraseFile === undefined)
    return readFile(join(folder, credential))
  const file = passphraseFile ?? process.env[FILE_VARIABLE]
  return file === undefined ? undefined : withoutLineEnd(await readFile(file))
}

/** A new passphrase, twice. */
export async function readNewSecret(
  context: Context,
  options: SecretOptions,
  asked: Asked,
): Promise<Uint8Array> {
  const found = await secretAtHand(options, asked)
  if (found !== undefined) return found
  if (!process.stdin.isTTY)
    throw new ShoalError(
      'usage',
      `provide --passphrase-file or $${FILE_VARIABLE}, or run this on a terminal`,
    )
  return promptTwice(context, 'passphrase')
}

/** The new password of an account, from a file or asked for twice. */
export async function readNewPassword(
  context: Context,
  { passwordFile }: { readonly passwordFile?: string | undefined },
): Promise<string> {
  if (passwordFile !== undefined)
    return Buffer.from(withoutLineEnd(await readFile(passwordFile))).toString('utf8')
  if (!process.stdin.isTTY)
    throw new ShoalError('usage', 'provide --password-file, or run this on a terminal')
  return Buffer.from(await promptTwice(context, 'password')).toString('utf8')
}

async function promptTwice(context: Context, word: string): Promise<Uint8Array> {
  const first = await prompt(context, `New ${word}: `)
  const second = await prompt(context, `Repeat the ${word}: `)
  if (Buffer.compare(first, second) !== 0)
    throw new ShoalError('usage', `the ${word}s do not match`)
  return first
}

/** For a child: the file is a pipe that it inherits as this descriptor. */
export function environmentWithSecret(descriptor: number): NodeJS.ProcessEnv {
  return { [FILE_VARIABLE]: `/dev/fd/${descriptor}` }
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  return Buffer.from(
    Buffer.from(bytes)
      .toString('utf8')
      .replace(/\r?\n$/, ''),
  )
}

/** Reads a line from the terminal without echoing it. */
async function prompt({ signal }: Context, question: string): Promise<Uint8Array> {
  const { stdin, stderr } = process
  stderr.write(question)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  let typed = ''
  try {
    for await (const text of stdin.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
      signal.throwIfAborted()
      for (const char of text) {
        if (char === ENTER || char === '\n') return Buffer.from(typed)
        if (char === INTERRUPT) throw new ShoalError('aborted', 'interrupted')
        typed = char === BACKSPACE ? typed.slice(0, -1) : typed + char
      }
    }
    return Buffer.from(typed)
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    stderr.write('\n')
  }
}
