// Runs a command line of the owner's in a shell, to its end.
import { ShoalError } from '../../protocol/errors.ts'
import { runProgram } from './run-program.ts'

/** throws ShoalError 'hook-failed' unless it ends with 0; what the signal says if that aborts. */
export async function runShellCommand(
  line: string,
  options: { readonly env: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<void> {
  const how = await runProgram(['/bin/sh', '-c', line], { ...options, endBy: 'SIGTERM' })
  if (how !== undefined) throw new ShoalError('hook-failed', `the command "${line}" ${how}`)
}
