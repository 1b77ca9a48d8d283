// The calls about cold tiers of a node in memory: a tier is a name and a URL, and what is put there
// is the size of a file.
import { MemoryLeaving } from './memory-leaving.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type {
  ColdApi,
  ColdProgress,
  RemovedTier,
  Tier,
  TierRequest,
  TierStatus,
  VerifyEvent,
} from '../../node/control/cold.ts'

export abstract class MemoryTiers extends MemoryLeaving implements Partial<ColdApi> {
  readonly #tiers = new Map<string, Tier>()

  async addTier({ name, url }: TierRequest): Promise<Tier> {
    const tier = { name, url }
    this.#tiers.set(name, tier)
    return tier
  }

  async trustTier(request: TierRequest): Promise<TierStatus> {
    return { ...(await this.addTier(request)), isAgreed: true, stripes: 0, only: 0 }
  }

  async distrustTier(name: string): Promise<void> {
    await this.removeTier(name)
  }

  async listTiers(): Promise<readonly TierStatus[]> {
    const status = { isAgreed: true, stripes: 0, only: 0 }
    return Array.from(this.#tiers.values(), (tier) => ({ ...tier, ...status }))
  }

  async removeTier(name: string): Promise<RemovedTier> {
    const tier = this.#tiers.get(name)
    if (tier === undefined) throw new ShoalError('ENOENT', `there is no cold tier ${name}`)
    this.#tiers.delete(name)
    return { ...tier, stripes: 0 }
  }

  async *pushCold(path: string): AsyncGenerator<readonly ColdProgress[]> {
    const { sizeBytes } = await this.stat(path)
    yield [{ doneBytes: 0, totalBytes: sizeBytes }]
    yield [{ doneBytes: sizeBytes, totalBytes: sizeBytes }]
  }

  async *verifyCold(): AsyncGenerator<readonly VerifyEvent[]> {
    yield [{ kind: 'progress', doneBytes: 1, totalBytes: 1 }]
  }

  recallCold(path: string): AsyncGenerator<readonly ColdProgress[]> {
    return this.pushCold(path)
  }
}
