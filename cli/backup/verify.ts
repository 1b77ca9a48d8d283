// `shoal backup verify`: whether what lies at a backup place is all there, and whole.
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import type { PlaceProblem, Repository } from '../../node/backup/repository.ts'
import type { VerifiedPlace } from '../../node/backup/verify-place.ts'
import { count, printable } from '../output.ts'
import { showProgress } from '../progress.ts'
import type { Context } from '../context.ts'
import { PLACE_HELP, addPlaceOptions, broughtBack, findPlace } from './place-options.ts'
import type { PlaceOptions } from './place-options.ts'

const SAMPLE = 0.05

const HELP = `
Checks that each pack is there, reads a sample of them in full, and goes through
the folders of all backups to see that every part of every file is in a pack.
Files with missing or damaged parts are listed, and the exit code is 1. To put
back what is missing and still in the volume: "shoal backup run NAME", or with
--mode full a backup that shares nothing with earlier ones.
${PLACE_HELP}

Examples:
  shoal backup verify daily
  shoal backup verify daily --sample 100%`

interface VerifyOptions extends PlaceOptions {
  readonly sample?: number
}

export function addVerify(backup: Command, context: Context): void {
  addPlaceOptions(
    backup
      .command('verify')
      .argument('[name]', 'backup (default: with --from, all at the place)')
      .description('read back and verify what is at the place of a backup'),
  )
    .option('--sample <percent>', 'packs to read in full (default: 5%)', parsePercent)
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: VerifyOptions) => {
      await using found = await findPlace(context, name, options)
      const { Repository: Repositories } = await import('../../node/backup/repository.ts')
      const { signal } = context
      const repository = await Repositories.open(found.opened.place, { signal })
      const problems = broughtBack(found, repository)
      const { sample = SAMPLE } = options
      const verified = await verify(context, repository, problems, sample)
      for (const { what, why } of problems) context.tell(printable(`${what} ${why}`))
      context.print({ ...verified, problems }, () => describe(verified))
      if (problems.length === 0) return
      if (context.json) return void (context.exitCode = 1)
      throw new ShoalError('cold-corrupt', `${count(problems.length, 'problem')} found`)
    })
}

async function verify(
  context: Context,
  repository: Repository,
  problems: PlaceProblem[],
  sample: number,
): Promise<VerifiedPlace> {
  const { verifyPlace } = await import('../../node/backup/verify-place.ts')
  const progress = showProgress(context, 'Reading')
  try {
    return await verifyPlace(
      repository,
      {
        onProblem: (problem) => problems.push(problem),
        onProgress: (done, total) => progress.reach(done, total),
      },
      { sample, random: { number: Math.random }, signal: context.signal },
    )
  } finally {
    progress.end()
  }
}

function describe({ backups, packs, bytes, readPacks, readBytes }: VerifiedPlace): string {
  return [
    `${count(backups, 'backup')} in ${count(packs, 'pack')} (${formatBytes(bytes)})`,
    `  ${count(readPacks, 'pack')} read in full (${formatBytes(readBytes)})`,
  ].join('\n')
}

/** A part of 1. */
function parsePercent(text: string): number {
  const [, number] = /^(\d{1,3}(?:\.\d+)?)%?$/.exec(text) ?? []
  const percent = Number(number)
  if (number !== undefined && percent <= 100) return percent / 100
  throw new InvalidArgumentError('Give a part such as 5% or 100%.')
}
