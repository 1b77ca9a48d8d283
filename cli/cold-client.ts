// The calls of a client about cold tiers, and for the day when all machines are gone; and as
// FileClient.
import { COLD_PUSH_ROUTE, COLD_RECALL_ROUTE, COLD_VERIFY_ROUTE } from '../node/control/wire.ts'
import { FileClient } from './file-client.ts'
import type { WallTime } from '../protocol/units.ts'
import type { CallOptions } from '../node/control/api.ts'
import type {
  ColdApi,
  ColdProgress,
  Tier,
  TierRequest,
  TierStatus,
  VerifyEvent,
  VerifyOptions,
} from '../node/control/cold.ts'
import type {
  ExportedKey,
  RecoverRequest,
  Recovered,
  RecoveryApi,
  Rehearsal,
  RehearseRequest,
} from '../node/control/recovery.ts'
import type { UpkeepOptions } from '../node/control/upkeep.ts'

export class ColdClient extends FileClient implements ColdApi, RecoveryApi {
  addTier(request: TierRequest, options?: CallOptions): Promise<Tier> {
    return this.call('addTier', { ...request }, options)
  }

  trustTier(request: TierRequest, options?: CallOptions): Promise<TierStatus> {
    return this.call('trustTier', { ...request }, options)
  }

  distrustTier(name: string, { volume, signal }: UpkeepOptions = {}): Promise<void> {
    return this.call('distrustTier', { name, volume }, { signal })
  }

  listTiers({ volume, signal }: UpkeepOptions = {}): Promise<readonly TierStatus[]> {
    return this.call('listTiers', { volume }, { signal })
  }

  rollBackTier(
    name: string,
    toMs: WallTime,
    { volume, signal }: UpkeepOptions = {},
  ): Promise<number> {
    return this.call('rollBackTier', { name, toMs, volume }, { signal })
  }

  removeTier(name: string, { volume, signal }: UpkeepOptions = {}): Promise<void> {
    return this.call('removeTier', { name, volume }, { signal })
  }

  async *pushCold(
    path: string,
    { tier, signal }: CallOptions & { readonly tier?: string | undefined } = {},
  ): AsyncGenerator<readonly ColdProgress[]> {
    yield* this.pages<ColdProgress>(COLD_PUSH_ROUTE, { path, tier }, { signal })
  }

  async *recallCold(
    path: string,
    { signal }: CallOptions = {},
  ): AsyncGenerator<readonly ColdProgress[]> {
    yield* this.pages<ColdProgress>(COLD_RECALL_ROUTE, { path }, { signal })
  }

  async *verifyCold({ volume, tier, sample, signal }: VerifyOptions = {}): AsyncGenerator<
    readonly VerifyEvent[]
  > {
    yield* this.pages<VerifyEvent>(COLD_VERIFY_ROUTE, { volume, tier, sample }, { signal })
  }

  exportRecoveryKey({ volume, signal }: UpkeepOptions = {}): Promise<ExportedKey> {
    return this.call('exportRecoveryKey', { volume }, { signal })
  }

  rehearseRecovery(request: RehearseRequest, options?: CallOptions): Promise<Rehearsal> {
    return this.call('rehearseRecovery', { ...request }, options)
  }

  recover(request: RecoverRequest, options?: CallOptions): Promise<Recovered> {
    return this.call('recover', { ...request }, options)
  }
}
