// Questions to a user who sits at a terminal.
import { createInterface } from 'node:readline/promises'
import { ShoalError } from '../protocol/errors.ts'
import type { Context } from './context.ts'

/** Is there somebody to answer? */
export function isAsked({ json }: Context): boolean {
  return !json && process.stdin.isTTY && process.stderr.isTTY
}

/**
 * Asks before something is done that cannot be undone, if somebody is there to answer and did not
 * say yes already. throws ShoalError 'aborted', saying what stays as it was.
 */
export async function agree(
  context: Context,
  question: string,
  { yes = false, otherwise }: { readonly yes?: boolean | undefined; readonly otherwise: string },
): Promise<void> {
  if (yes || !isAsked(context) || (await confirm(context, question))) return
  throw new ShoalError('aborted', otherwise)
}

/** Asks a question that is answered with yes or no; no where nobody can answer. */
export async function confirm(context: Context, question: string): Promise<boolean> {
  if (!isAsked(context)) return false
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await asking.question(`${question} [y/N] `, { signal: context.signal })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    asking.close()
  }
}
