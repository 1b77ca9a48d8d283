// `shoal completion`: a script by which a shell completes the command.
import { Argument } from 'commander'
import { SHELLS, completionScript } from '../completion.ts'
import type { Command } from 'commander'
import type { Shell } from '../completion.ts'
import type { Context } from '../context.ts'

const HELP = `
The script completes commands, options and their values, and asks no node. It is
for the command "shoal", which must be in the PATH.

Examples:
  source <(shoal completion bash)
  shoal completion zsh > "\${fpath[1]}/_shoal"
  shoal completion fish > ~/.config/fish/completions/shoal.fish`

export function addCompletion(program: Command, context: Context): void {
  program
    .command('completion')
    .description('print a script that completes this command in a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell: Shell) => {
      const script = completionScript(program, shell)
      context.print({ shell, script }, () => script.trimEnd())
    })
}
