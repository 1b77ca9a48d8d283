// How this node says in each volume who it is: its name, zone and capacity. Its name is the one in
// its settings, or the first free number after that where another member has it. Once it has said
// that, the name that it or an admin gives it later stands, until its settings have another.
import { STAMP_ZERO, stampMs } from '../../protocol/clock/dot.ts'
import { hasCode } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import { NO_CAPACITY_BYTES } from '../../protocol/membership/members.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { checkName } from '../../protocol/membership/names.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { Volume } from './volume.ts'

/** For so long after it was admitted a node gives way to others that say its name. */
const SETTLE_MS: number = HOUR_MS

/** How this node describes itself to the other members. */
export interface SelfDescription {
  readonly name: string
  readonly zone: string
  readonly capacityBytes: number
}

export class Introductions {
  readonly #peer: PeerId
  readonly #self: SelfDescription
  /** Volumes that this node is about to leave. */
  readonly #leaving = new Set<VolumeId>()
  /** One after the other: each goes by what the one before has said. */
  readonly #saying = new SerialQueue()

  constructor(peer: PeerId, self: SelfDescription) {
    this.#peer = peer
    this.#self = self
  }

  /** Says who this node is in a volume that is new here. Durable with the next commit. */
  introduce(volume: Volume): void {
    this.#say(volume, volume.membership.freeNameFor(this.#peer, this.#self.name))
  }

  /**
   * Says who this node is, if the log has it otherwise. returns false, having said nothing, while
   * the log held here does not tell that it is a member.
   */
  describeSelf(volume: Volume): Promise<boolean> {
    return this.#saying.run(async () => {
      const { membership } = volume
      const known = membership.member(this.#peer)
      if (known === undefined) return false
      const name = this.#nameIn(volume, known)
      const { zone, capacityBytes } = this.#selfIn(volume)
      const isSame = known.zone === zone && known.capacityBytes === capacityBytes
      if (isSame && name === known.said && isDescribed(known)) {
        membership.configuredName ??= this.#self.name
        return true
      }
      try {
        this.#say(volume, name)
      } catch (error) {
        if (hasCode(error, 'ESTALE')) return false
        throw error
      }
      await volume.commit()
      return true
    })
  }

  /**
   * May it turn out no more that others, who were admitted at the same time, said the same name?
   */
  isSettled(volume: Volume): boolean {
    const known = volume.membership.member(this.#peer)
    return known !== undefined && volume.time.now() >= stampMs(known.granted) + SETTLE_MS
  }

  /**
   * Gives a member another name, as it may itself and as an admin may. Durable when this resolves.
   * throws ShoalError 'usage', 'EEXIST', 'ESTALE'.
   */
  rename(volume: Volume, { peer, zone, capacityBytes }: Member, name: string): Promise<void> {
    return this.#saying.run(async () => {
      const others = volume.membership.members().filter((member) => member.peer !== peer)
      checkName(
        name,
        others.map((other) => ({ peer: other.peer, names: [other.name, other.said] })),
      )
      volume.submit({ kind: 'member-info', peer, name, zone, capacityBytes })
      await volume.commit()
    })
  }

  /** Says that this node offers a volume no room, since it leaves that, or that it does again. */
  async setLeaving(volume: Volume, isLeaving: boolean): Promise<void> {
    if (isLeaving) this.#leaving.add(volume.id)
    else this.#leaving.delete(volume.id)
    await this.describeSelf(volume)
  }

  /** This node's name in a volume, where it is not the one in its settings. */
  calledAs({ membership }: Volume): string | undefined {
    const known = membership.member(this.#peer)
    const isOther = known !== undefined && isDescribed(known) && known.name !== this.#self.name
    return isOther ? known.name : undefined
  }

  /** The name that this node is to have in a volume. */
  #nameIn(volume: Volume, known: Member): string {
    const { membership } = volume
    const { name: configured } = this.#self
    const before = membership.configuredName
    // Whoever said a name first keeps it; and who has had it for a while gives way to nobody who
    // says the same from now on.
    const isNew = before === undefined || !this.isSettled(volume)
    const isLost = isNew && known.name !== known.said
    const isChanged = !isDescribed(known) || (before ?? known.said) !== configured
    return isLost || isChanged ? membership.freeNameFor(known.peer, configured) : known.said
  }

  #selfIn({ id }: Volume): SelfDescription {
    return this.#leaving.has(id) ? { ...this.#self, capacityBytes: NO_CAPACITY_BYTES } : this.#self
  }

  /** throws as Volume.submit. */
  #say(volume: Volume, name: string): void {
    const { name: configured, zone, capacityBytes } = this.#selfIn(volume)
    volume.submit({ kind: 'member-info', peer: this.#peer, name, zone, capacityBytes })
    volume.membership.configuredName = configured
  }
}

function isDescribed({ described }: Member): boolean {
  return described !== STAMP_ZERO
}
