// The contenders that move files to an S3 server and back: Shoal's cold tier, and the programs that
// people use for it, with their default settings and with more at a time. Each is a command that is
// run to its end, its start included.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { S3Server } from '../../test/cold/s3-server.ts'
import { rcloneSettings } from '../../test/cold/tiers.ts'
import type { Work } from '../copy.ts'

export interface Contender {
  readonly name: string
  readonly program: string
  /** The processes of it that run on between commands. */
  readonly pids: () => readonly number[]
  /** Into the server. */
  readonly upload: (work: Work) => Promise<unknown>
  /**
   * Read it back and compare it; undefined: that is part of `upload`, or it has no such command.
   */
  readonly check?: (work: Work) => Promise<unknown>
  /** Into a folder that is not there. */
  readonly recall: (work: Work, folder: string) => Promise<unknown>
}

/** Fair for few large files and for many small ones. */
const RCLONE_MORE = [
  ['--transfers', '32'],
  ['--checkers', '32'],
  ['--s3-upload-concurrency', '8'],
  ['--s3-upload-cutoff', '16M'],
  ['--s3-chunk-size', '16M'],
  ['--multi-thread-streams', '8'],
  ['--multi-thread-cutoff', '16M'],
].flat()

/** Those of them that are installed. */
export async function rivals(server: S3Server): Promise<readonly Contender[]> {
  const all = [
    rclone(server, 'rclone copy', await server.makeBucket(), []),
    rclone(server, 'rclone copy, 32 at a time', await server.makeBucket(), RCLONE_MORE),
    aws(server, await server.makeBucket()),
  ]
  return all.filter(({ program }) => spawnSync(program, ['--version']).error === undefined)
}

function rclone(
  server: S3Server,
  name: string,
  bucket: string,
  options: readonly string[],
): Contender {
  const settings = Object.entries(rcloneSettings(server)).map(
    ([key, value]) => [`RCLONE_CONFIG_TEST_${key}`, value] as const,
  )
  const env: NodeJS.ProcessEnv = { ...process.env, ...Object.fromEntries(settings) }
  env['RCLONE_CONFIG'] = '/dev/null'
  // rclone 1.60 cannot start an S3 remote with it.
  delete env['AWS_CA_BUNDLE']
  const run = (...words: readonly string[]): Promise<void> =>
    runQuietly('rclone', [...words, ...options], env)
  const remote = (work: Work): string => `test:${bucket}/${work.name}`
  return {
    name,
    program: 'rclone',
    pids: () => [],
    upload: (work) => run('copy', work.path, remote(work)),
    check: (work) => run('check', '--download', work.path, remote(work)),
    recall: (work, folder) => run('copy', remote(work), folder),
  }
}

function aws(server: S3Server, bucket: string): Contender {
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
    AWS_DEFAULT_REGION: server.region,
  }
  const copy = (from: string, to: string): Promise<void> => {
    const words = [
      '--endpoint-url',
      server.endpoint,
      's3',
      'cp',
      '--recursive',
      '--only-show-errors',
    ]
    return runQuietly('aws', [...words, from, to], env)
  }
  const place = (work: Work): string => `s3://${bucket}/${work.name}`
  return {
    name: 'aws s3 cp --recursive',
    program: 'aws',
    pids: () => [],
    upload: (work) => copy(work.path, place(work)),
    recall: (work, folder) => copy(place(work), folder),
  }
}

/** throws what it wrote to stderr when it fails. */
async function runQuietly(
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const child = spawn(program, words, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const said = child.stderr.setEncoding('utf8').toArray()
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === 0) return
  throw new Error(`${program} ${words.join(' ')} ended with ${code}: ${(await said).join('')}`)
}
