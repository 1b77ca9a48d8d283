// Questions to a user who sits at a terminal.
import { createInterface } from 'node:readline/promises'
import type { Context } from './context.ts'

/** Is there somebody to answer? */
export function isAsked({ json }: Context): boolean {
  return !json && process.stdin.isTTY && process.stderr.isTTY
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
