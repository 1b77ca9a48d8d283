// A node whose volume lets all that was put into a tier go from its own disk, and one that joins
// when that has happened, has never held anything, and reads it.
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TestCluster, eventually } from '../../test/cluster/cluster.ts'
import type { TestNode } from '../../test/cluster/cluster.ts'
import type { S3Server } from '../../test/cold/s3-server.ts'
import type { Work } from '../copy.ts'
import type { Contender } from './contenders.ts'

export class Swarm implements AsyncDisposable {
  readonly contender: Contender
  readonly #cluster: TestCluster
  readonly #writer: TestNode
  readonly #reader: TestNode
  readonly #addTier: readonly string[]

  private constructor(cluster: TestCluster, addTier: readonly string[]) {
    this.#cluster = cluster
    this.#addTier = addTier
    this.#writer = cluster.nodes[0] as TestNode
    this.#reader = cluster.node('reader')
    this.contender = {
      name: 'shoal',
      program: 'shoal',
      pids: () => cluster.nodes.filter((node) => node.isRunning).map(({ pid }) => pid),
      upload: ({ name }) => this.#writer.shoal('cold', 'push', `/${name}`),
      recall: ({ name }, folder) => this.#reader.shoal('get', `/${name}`, folder),
    }
  }

  /** chunk: the average size of chunks, as for `volume create`. */
  static async start(server: S3Server, { chunk }: { chunk?: string } = {}): Promise<Swarm> {
    const bucket = await server.makeBucket()
    const cluster = await TestCluster.start(1)
    const place = [`s3://${bucket}/shoal`, '--endpoint', server.endpoint, '--region', server.region]
    const credentials = join(cluster.folder, 'credentials')
    await copyFile(server.credentialsFile, credentials)
    const addTier = ['cold', 'add', 'attic', ...place, '--credentials', credentials]
    const swarm = new Swarm(cluster, addTier)
    if (chunk !== undefined) await swarm.#writer.shoal('volume', 'create', 'main', '--chunk', chunk)
    await swarm.#writer.shoal(...addTier)
    await swarm.#writer.shoal('volume', 'set', 'main', 'keep=none')
    return swarm
  }

  /** Have the files in the volume, as others have them in a folder. */
  async put({ name, path }: Work): Promise<void> {
    await this.#writer.shoal('put', '--ack', 'placed', path, `/${name}`)
    const isPlaced = async (): Promise<boolean> => (await this.#writer.volume()).unplacedBytes === 0
    await eventually('all is placed', isPlaced)
    await this.#cluster.converged()
  }

  /** Once all was uploaded. returns where the reader has its mount. */
  async letGo(): Promise<string> {
    await eventually('nothing is with peers', async () => {
      const { cold } = await this.#writer.volume()
      return cold.only > 0 && cold.copied === 0
    })
    const ticket = await this.#writer.invite()
    await this.#reader.start({ ticket, mount: this.#reader.mountFolder })
    await this.#cluster.connected()
    await this.#cluster.converged()
    await this.#reader.shoal(...this.#addTier)
    return this.#reader.mountFolder
  }

  /** The peak memory of the writer, and of the reader. */
  async peakBytes(): Promise<readonly [number, number]> {
    return [await this.#writer.peakBytes(), await this.#reader.peakBytes()]
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cluster[Symbol.asyncDispose]()
  }
}
