// A volume of one test, on running nodes that several tests share: to start a node takes many times
// as long as to make a volume.
import assert from 'node:assert/strict'
import { eventually } from '../cluster/cluster.ts'
import type { VolumeStatus } from '../../node/control/status.ts'
import type { TestNode } from '../cluster/cluster.ts'

export class TestVolume {
  readonly name: string
  /** The first is its admin, the others write. */
  readonly nodes: readonly TestNode[]

  private constructor(nodes: readonly TestNode[], name: string) {
    this.nodes = nodes
    this.name = name
  }

  static async make(nodes: readonly TestNode[], name: string): Promise<TestVolume> {
    const [admin, ...others] = nodes
    assert(admin !== undefined, 'somebody has it')
    await admin.ask((client) => client.createVolume({ name }))
    const uses = others.length
    if (uses > 0) {
      const { ticket } = await admin.ask((client) => client.invite({ volume: name, uses }))
      for (const node of others) await node.ask((client) => client.join(ticket))
    }
    const volume = new TestVolume(nodes, name)
    await volume.converged()
    return volume
  }

  get admin(): TestNode {
    return this.nodes[0] ?? assert.fail('it has an admin')
  }

  /** A path in it, for the command. */
  at(path: string): string {
    return `${this.name}:${path}`
  }

  /** Set policies. */
  async set(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.admin.ask((client) => client.setVolume(this.name, settings))
  }

  async statusAt(node: TestNode): Promise<VolumeStatus> {
    const found = (await node.status()).volumes.find(({ name }) => name === this.name)
    return found ?? assert.fail(`${node.name} has ${this.name}`)
  }

  /** Wait until all of its nodes that run have the same heads of it. */
  async converged(): Promise<void> {
    const running = this.nodes.filter((node) => node.isRunning)
    await eventually(`all nodes have the same heads of ${this.name}`, async () => {
      const heads = running.map(async (node) => JSON.stringify((await this.statusAt(node)).heads))
      return new Set(await Promise.all(heads)).size === 1
    })
  }
}
