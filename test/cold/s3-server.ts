// A real S3 server of a test: Ceph's radosgw on a free port of this machine, with its data in a
// folder of its own. It ends with whoever started it, also if that fails. It is found where the
// project's papers are, beside the repository.
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { AccessKey } from '../../protocol/cold/access-key.ts'

const SCRIPT = join(import.meta.dirname, '../../../shared/s3/radosgw.sh')
const NEEDED = ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-authtool']
const FILLERS = 32
const START_MS = 180_000

export class S3Server implements AsyncDisposable {
  readonly endpoint: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
  /** The folder of all its files. */
  readonly folder: string
  /** In the form of ~/.aws/credentials, for its owner only. */
  readonly credentialsFile: string
  readonly #client: S3Client
  readonly #stop: () => void
  #buckets = 0

  private constructor(folder: string, settings: ReadonlyMap<string, string>) {
    const setting = (name: string): string => settings.get(name) ?? ''
    this.endpoint = setting('endpoint')
    this.region = setting('region')
    this.accessKey = setting('access_key')
    this.secretKey = setting('secret_key')
    this.credentialsFile = join(folder, 'credentials')
    this.folder = folder
    this.#stop = () => void spawnSync('bash', [SCRIPT, 'stop', folder])
    this.#client = new S3Client({
      endpoint: this.endpoint,
      region: this.region,
      forcePathStyle: true,
      credentials: { accessKeyId: this.accessKey, secretAccessKey: this.secretKey },
    })
    process.once('exit', this.#stop)
  }

  /** Why there can be none here, or undefined. */
  static missing(): string | undefined {
    if (!existsSync(SCRIPT)) return `no ${SCRIPT} to start a radosgw with`
    const folders = (process.env['PATH'] ?? '').split(delimiter)
    const absent = NEEDED.filter((name) => !folders.some((path) => existsSync(join(path, name))))
    if (absent.length === 0) return undefined
    return `no ${absent.join(', ')} here: run \`${SCRIPT} install\``
  }

  static async start(): Promise<S3Server> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-s3-'))
    try {
      const { stdout } = await promisify(execFile)('bash', [SCRIPT, 'start', folder], {
        timeout: START_MS,
      })
      const lines = stdout.split('\n').map((line) => line.split('=', 2))
      const settings = new Map(lines.map(([name = '', value = '']) => [name, value]))
      const server = new S3Server(folder, settings)
      const key = `aws_access_key_id = ${server.accessKey}`
      const text = `[default]\n${key}\naws_secret_access_key = ${server.secretKey}\n`
      await writeFile(server.credentialsFile, text, { mode: 0o600 })
      return server
    } catch (error) {
      spawnSync('bash', [SCRIPT, 'stop', folder])
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** A new, empty bucket. */
  async makeBucket(): Promise<string> {
    const bucket = `shoal-test-${this.#buckets++}`
    await this.#client.send(new CreateBucketCommand({ Bucket: bucket }))
    return bucket
  }

  /** Its access key. */
  get key(): AccessKey {
    return { accessKeyId: this.accessKey, secretAccessKey: this.secretKey }
  }

  /** Another, of which each version of an object is kept for a day, whatever its owner wants. */
  async makeLockedBucket(): Promise<string> {
    const bucket = `shoal-test-${this.#buckets++}`
    const create = { Bucket: bucket, ObjectLockEnabledForBucket: true }
    await this.#client.send(new CreateBucketCommand(create))
    const lock = {
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } },
    } as const
    const put = { Bucket: bucket, ObjectLockConfiguration: lock }
    await this.#client.send(new PutObjectLockConfigurationCommand(put))
    return bucket
  }

  /** Try to take away for good what an object was first. throws what the server answers. */
  async removeFirstVersion(bucket: string, key: string): Promise<void> {
    const list = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key })
    const { Versions = [] } = await this.#client.send(list)
    const VersionId = Versions.at(-1)?.VersionId
    await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId }))
  }

  /** Objects of one byte, many at a time. */
  async fill(bucket: string, keys: readonly string[]): Promise<void> {
    const left = [...keys]
    const fillOn = async (): Promise<void> => {
      for (let Key = left.pop(); Key !== undefined; Key = left.pop()) {
        await this.#client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
      }
    }
    await Promise.all(Array.from({ length: FILLERS }, fillOn))
  }

  /** Removes a bucket that is empty. */
  async removeBucket(bucket: string): Promise<void> {
    await this.#client.send(new DeleteBucketCommand({ Bucket: bucket }))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async stop(): Promise<void> {
    process.off('exit', this.#stop)
    this.#client.destroy()
    this.#stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}
