// Scripts by which a shell completes the words of the command: commands, options, and the values
// that these may have; elsewhere the names of local files, as the shell does by itself. They are
// made of the table of commands, and ask nobody when they run.
import type { Command, Help, Option } from 'commander'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** A word that completes, and what it means. */
interface Word {
  readonly word: string
  readonly meaning: string
}

interface CompletedOption {
  /** "-q" and "--quiet", as far as it has both. */
  readonly flags: readonly string[]
  readonly meaning: string
  /** Undefined: it has no value. No choices: any. */
  readonly choices: readonly string[] | undefined
  readonly isFile: boolean
}

interface CompletedCommand {
  /** "peer add"; '' for the program. */
  readonly path: string
  /** Its commands, or what its first argument may be. */
  readonly words: readonly Word[]
  readonly options: readonly CompletedOption[]
}

/** The script for a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const commands = completed(program, program.createHelp(), '')
  switch (shell) {
    case 'bash':
      return bashScript(commands)
    case 'zsh':
      return zshScript(commands)
    case 'fish':
      return fishScript(commands)
  }
}

function completed(command: Command, help: Help, path: string): CompletedCommand[] {
  const children = help.visibleCommands(command)
  const choices = command.registeredArguments[0]?.argChoices ?? []
  const own = {
    path,
    words: [
      ...children.map((child) => ({ word: child.name(), meaning: child.description() })),
      ...choices.map((word) => ({ word, meaning: '' })),
    ],
    options: [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)].map(optionOf),
  }
  const below = children.flatMap((child) => {
    const at = path === '' ? child.name() : `${path} ${child.name()}`
    return completed(child, help, at)
  })
  return [own, ...below]
}

function optionOf(option: Option): CompletedOption {
  const { short, long, description, argChoices, flags, required, optional } = option
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    meaning: description,
    choices: required || optional ? (argChoices ?? []) : undefined,
    isFile: /<(?:file|dir|url)>/.test(flags),
  }
}

function bashScript(commands: readonly CompletedCommand[]): string {
  return `# Completion of shoal for bash, made by "shoal completion bash".
_shoal() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous= command= word i
  # An option with "=" is three words here.
  [[ $current == = ]] && current=
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == = ]] && continue
    case "$command $previous" in
${valueCases(commands, (pattern) => `      ${pattern}) previous= ; continue ;;`)}
    esac
    previous=$word
    case "$command $word" in
      ${commandPatterns(commands)}) command=\${command:+$command }$word ;;
    esac
  done
  local words= options=
  case "$command $previous" in
${valueCases(commands, (pattern, { choices, isFile }) =>
  isFile
    ? `    ${pattern}) return ;;`
    : `    ${pattern}) COMPREPLY=($(compgen -W ${quoted(choices.join(' '))} -- "$current")); return ;;`,
)}
  esac
  case "$command" in
${commands
  .map(({ path, words, options }) => {
    const flags = options.flatMap((option) => option.flags)
    const said = words.map(({ word }) => word)
    return `    ${quoted(path)}) words=${quoted(said.join(' '))} options=${quoted(flags.join(' '))} ;;`
  })
  .join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -o default -F _shoal shoal
`
}

function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef shoal
# Completion of shoal for zsh, made by "shoal completion zsh".
_shoal() {
  local command= previous= word i
  local -a found flags
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    case "$command $previous" in
${valueCases(commands, (pattern) => `      (${pattern}) previous= ; continue ;;`)}
    esac
    previous=$word
    case "$command $word" in
      (${commandPatterns(commands)}) command=\${command:+$command }$word ;;
    esac
  done
  case "$command $previous" in
${valueCases(commands, (pattern, { choices, isFile }) =>
  isFile
    ? `    (${pattern}) _files; return ;;`
    : `    (${pattern}) compadd -- ${choices.map(quoted).join(' ')}; return ;;`,
)}
  esac
  case "$command" in
${commands
  .map(({ path, words, options }) => {
    const said = words.map(({ word, meaning }) => quoted(describedWord(word, meaning)))
    const flags = options.flatMap((option) =>
      option.flags.map((flag) => quoted(describedWord(flag, option.meaning))),
    )
    return `    (${quoted(path)}) found=(${said.join(' ')}) flags=(${flags.join(' ')}) ;;`
  })
  .join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option flags
  elif (( \${#found} )); then
    _describe command found
  else
    _files
  fi
}
if [[ $funcstack[1] == _shoal ]]; then _shoal "$@"; else compdef _shoal shoal; fi
`
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ path, words, options }) => {
    const start = `complete -c shoal -n ${quoted(`__shoal_at "${path}"`)}`
    return [
      ...words.map(({ word, meaning }) => `${start} -f -a ${quoted(word)} -d ${quoted(meaning)}`),
      ...options.map(({ flags, meaning, choices, isFile }) => {
        const names = flags.map((flag) =>
          flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
        )
        const value =
          choices === undefined ? '' : isFile ? ' -r' : ` -x -a ${quoted(choices.join(' '))}`
        return `${start} ${names.join(' ')}${value} -d ${quoted(meaning)}`
      }),
    ]
  })
  return `# Completion of shoal for fish, made by "shoal completion fish".
function __shoal_at
    set -l command ''
    set -l previous ''
    for word in (commandline -opc)[2..-1]
        switch "$command $previous"
            case ${valuePatterns(commands).map(quoted).join(' ')}
                set previous ''
                continue
        end
        set previous $word
        switch "$command $word"
            case ${pathsOf(commands).map(quoted).join(' ')}
                set command (string trim "$command $word")
        end
    end
    test "$command" = "$argv[1]"
end
${lines.join('\n')}
`
}

/** A case for the options with a value, alike ones together. Each begins with its command. */
function valueCases(
  commands: readonly CompletedCommand[],
  caseOf: (
    pattern: string,
    value: { readonly choices: readonly string[]; readonly isFile: boolean },
  ) => string,
): string {
  const cases = commands.flatMap(({ path, options }) =>
    options.flatMap(({ flags, choices, isFile }) =>
      choices === undefined
        ? []
        : [{ patterns: flags.map((flag) => quoted(`${path} ${flag}`)), choices, isFile }],
    ),
  )
  const alike = Map.groupBy(cases, ({ choices, isFile }) => `${isFile} ${choices.join(' ')}`)
  return [...alike.values()]
    .flatMap((group) => {
      const [first] = group
      const pattern = group.flatMap(({ patterns }) => patterns).join('|')
      return first === undefined ? [] : [caseOf(pattern, first)]
    })
    .join('\n')
}

function valuePatterns(commands: readonly CompletedCommand[]): string[] {
  return commands.flatMap(({ path, options }) =>
    options.flatMap(({ flags, choices }) =>
      choices === undefined ? [] : flags.map((flag) => `${path} ${flag}`),
    ),
  )
}

function commandPatterns(commands: readonly CompletedCommand[]): string {
  return pathsOf(commands).map(quoted).join('|')
}

/** " peer", "peer add": the command so far, and the next word. */
function pathsOf(commands: readonly CompletedCommand[]): string[] {
  return commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => (path.includes(' ') ? path : ` ${path}`))
}

/** As _describe takes it, in which a colon ends the word. */
function describedWord(word: string, meaning: string): string {
  return `${word.replaceAll(':', '\\:')}:${meaning}`
}

/** One word for any of the shells: fish has its own escapes in quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`
}
