// The part of a run that is about a cold tier: it is told of at the start, with a key to rebuild
// the volume by; in the end it is fair weather, all that is due lies there, and then all machines
// are lost and the volume is made anew from the tier and the key alone, on a machine that has
// nothing else.
import { SWEPT_KEPT_MS } from '../../protocol/limits.ts'
import { HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import { CheckError } from '../check-error.ts'
import { checkContents, checkTrees, statusOf } from '../checkers.ts'
import { TIER_NAME, TIER_URL } from '../cluster.ts'
import type { Cluster, ClusterNode } from '../cluster.ts'
import type { Contents } from '../content.ts'
import { readVolume } from '../inspection.ts'
import { FAIR_TIER } from '../object-tier.ts'
import type { ColdSetting } from '../script.ts'
import { agreeTo } from './trust.ts'
import { ColdWatch } from './watch.ts'

/** After fair weather came, until all lies where it should. */
const SETTLE_LIMIT_MS: number = 12 * HOUR_MS
/** An archive shows nothing at once, and who is not shown what is there keeps its shards longer. */
const ARCHIVE_LIMIT_MS: number = SETTLE_LIMIT_MS + SWEPT_KEPT_MS
const LOOK_MS: number = 10 * MINUTE_MS
/** In which whoever's turn it is has put the namespace into the tier. */
const BACKUP_MS: number = 3 * HOUR_MS
const INVARIANT = 'a tier and a key restore the volume'

export class TierRun {
  readonly watch: ColdWatch
  readonly #cluster: Cluster
  readonly #setting: ColdSetting
  #key = ''

  /** fail: told of what is wrong as soon as it is. */
  constructor(
    cluster: Cluster,
    { setting, fail }: { setting: ColdSetting; fail: (error: CheckError) => void },
  ) {
    this.#cluster = cluster
    this.#setting = setting
    this.watch = new ColdWatch(cluster, fail)
  }

  /** Before the volume has any setting. */
  async begin(founder: ClusterNode): Promise<void> {
    const { kv, identity } = founder.machine
    const stored = await readVolume(kv, identity)
    const { id: volume } = await statusOf(founder)
    if (stored === undefined) return
    const secrets = stored.replica.membership.allSecrets().map(([, secret]) => secret)
    this.watch.start(volume, secrets)
    await founder.ask((api) => api.addTier({ name: TIER_NAME, ...this.#place(), volume }))
    await this.#agree()
    const { text } = await founder.ask((api) => api.exportRecoveryKey({ volume }))
    this.#key = text
    this.#cluster.tier.weather = this.#setting.weather
  }

  /** Nothing is wrong with the tier any more. */
  calm(): void {
    this.#cluster.tier.weather = FAIR_TIER
    this.#cluster.tier.denied.clear()
  }

  /** throws CheckError when not all goes there that is to. */
  async settle(founder: ClusterNode): Promise<void> {
    const { clock, scheduler } = this.#cluster
    const { id } = await statusOf(founder)
    // Also those that joined since, or lost what they knew with their disk.
    await this.#agree()
    const settings = { 'cold-after': '10m', 'cold-tier': TIER_NAME }
    await founder.ask((api) => api.setVolume(id, settings))
    const limitMs = this.#setting.archives ? ARCHIVE_LIMIT_MS : SETTLE_LIMIT_MS
    const untilMs = scheduler.nowMs + limitMs
    for (;;) {
      const wrong = this.watch.unsettled({ isDue: true })
      if (wrong.length === 0) return
      if (scheduler.nowMs >= untilMs)
        throw new CheckError('due stripes are in the tier in the end', wrong.join('\n'))
      await clock.sleep(LOOK_MS)
    }
  }

  /** tree: of what it must come to. throws CheckError. */
  async rebuild(tree: string, contents: Contents): Promise<void> {
    const { nodes, clock, scheduler } = this.#cluster
    await clock.sleep(BACKUP_MS)
    for (const node of nodes) if (node.running) node.kill('power loss')
    const fresh = this.#cluster.newNode('fresh')
    await fresh.start()
    try {
      await fresh.ask((api) => api.recover({ ...this.#place(), key: this.#key }))
    } catch (cause) {
      throw new CheckError(INVARIANT, String(cause), { cause })
    }
    const found = await checkTrees([fresh])
    if (found !== tree) throw new CheckError(INVARIANT, 'it has another tree')
    await checkContents(fresh, contents, () => true, clock)
    scheduler.sightings.add('volume rebuilt from the tier')
    await fresh.stop()
  }

  #agree(): Promise<void> {
    const { members, clock } = this.#cluster
    return agreeTo({ name: TIER_NAME, ...this.#place() }, members, clock)
  }

  #place(): { readonly url: string; readonly storageClass?: string } {
    return { url: TIER_URL, ...(this.#setting.archives && { storageClass: 'GLACIER' }) }
  }
}
