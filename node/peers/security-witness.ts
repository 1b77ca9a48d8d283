// Keeps the heads of others' security logs, so that none can be cut or changed unnoticed: the
// newest head that each member told in a beacon, durably. Who asks is told what is held of its own
// log. Cost: a small record a member.
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import { equalBytes, fromByteString, toByteString } from '../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import {
  SECURITY_PROTOCOL,
  checkSecurityQuestion,
  decodeSecurityAnswer,
  encodeSecurityAnswer,
  encodeSecurityQuestion,
  isSecurityHeadOf,
  readSecurityHead,
  securityHeadValue,
} from '../../protocol/wire/security.ts'
import type { SecurityHead } from '../../protocol/wire/security.ts'
import type { HeldLog } from '../control/observe/security.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Kv } from '../store/kv.ts'
import type { Channel, World } from '../world/world.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

const WITNESS_PREFIX = STORE_PREFIXES.securityWitness
const ANSWER_MS: number = 10 * SECOND_MS

export interface SecurityWitnessComponents {
  readonly world: Pick<World, 'clock' | 'network'>
  readonly kv: Kv
  readonly record: RecordSecurity
  /** Whether a peer is a member of any volume here. */
  readonly isMember: (peer: PeerId) => boolean
}

interface Held extends HeldLog {
  readonly head: SecurityHead
  /**
   * By its own clock, of the newest beacon that told of its log: those of several volumes come in
   * any order.
   */
  readonly sentMs: number
}

export class SecurityWitness {
  readonly #c: SecurityWitnessComponents
  readonly #held = new Map<PeerId, Held>()

  private constructor(components: SecurityWitnessComponents) {
    this.#c = components
  }

  static async open(components: SecurityWitnessComponents): Promise<SecurityWitness> {
    const witness = new SecurityWitness(components)
    for await (const [key, value] of components.kv.scan({ from: WITNESS_PREFIX, to: 'Sx' })) {
      const publicKey = fromByteString(key.slice(WITNESS_PREFIX.length))
      witness.#held.set(peerIdFromPublicKey(publicKey), decodeHeld(value))
    }
    return witness
  }

  async start(): Promise<void> {
    await this.#c.world.network.handle(SECURITY_PROTOCOL, (channel) => this.#serve(channel))
  }

  of(peer: PeerId): HeldLog | undefined {
    return this.#held.get(peer)
  }

  /** A member's beacon has come. */
  heard({ peer, sentMs, security }: Pick<Beacon, 'peer' | 'sentMs' | 'security'>): void {
    const known = this.#held.get(peer)
    if (known !== undefined && sentMs <= known.sentMs) return
    if (security === undefined) return this.#heardNone(peer, sentMs, known)
    if (known !== undefined && isSame(known.head, security)) {
      this.#held.set(peer, { ...known, sentMs })
      return
    }
    // A head that it did not sign proves nothing later.
    if (enforces('security-head-signed') && !isSecurityHeadOf(peer, security)) return
    const { number } = security
    const isBack = known !== undefined && number <= known.number
    const heardMs = this.#c.world.clock.wall()
    const back = isBack ? { number: known.number, atMs: heardMs } : known?.back
    this.#keep(peer, { head: security, number, heardMs, sentMs, back })
    if (isBack) this.#record(peer, `has ${number} events where it had ${known.number}`)
  }

  /**
   * Asks a member for the head of this node's log that it holds. throws ShoalError 'unreachable',
   * 'malformed', 'timeout'.
   */
  async ask(peer: PeerId, signal: AbortSignal): Promise<SecurityHead | undefined> {
    const { clock, network } = this.#c.world
    const deadline = { signal: clock.timeout(ANSWER_MS, signal) }
    const channel = await network.open(peer, SECURITY_PROTOCOL, deadline)
    try {
      await channel.send([encodeSecurityQuestion()], deadline)
      const frame = await channel.receive(deadline)
      const held = frame === undefined ? undefined : decodeSecurityAnswer(frame)
      // A head that this node did not sign is not its own.
      if (held === undefined || !enforces('security-head-signed')) return held
      return isSecurityHeadOf(network.self, held) ? held : undefined
    } finally {
      await ignoreFailure(channel.close(), 'the answer is here')
    }
  }

  async #serve(channel: Channel): Promise<void> {
    if (!this.#c.isMember(channel.peer)) return channel.close()
    const signal = this.#c.world.clock.timeout(ANSWER_MS)
    const frame = await channel.receive({ signal })
    if (frame === undefined) return
    checkSecurityQuestion(frame)
    await channel.send([encodeSecurityAnswer(this.#held.get(channel.peer)?.head)], { signal })
    await channel.close()
  }

  /** It told of a log before, and now of none. What it told is kept. */
  #heardNone(peer: PeerId, sentMs: number, known: Held | undefined): void {
    if (known === undefined || known.back?.number === known.number) return
    const back = { number: known.number, atMs: this.#c.world.clock.wall() }
    this.#keep(peer, { ...known, sentMs, back })
    this.#record(peer, `tells of no events where it had ${known.number}`)
  }

  #record(peer: PeerId, what: string): void {
    const message =
      `the security log of a member ${what}: its home was restored or copied, ` +
      'or its log was altered; ask its owner'
    this.#c.record({ kind: 'peer-log-back', peer, message })
  }

  #keep(peer: PeerId, held: Held): void {
    this.#held.set(peer, held)
    const key = WITNESS_PREFIX + toByteString(publicKeyOf(peer))
    const write = { kind: 'put', key, value: encodeHeld(held) } as const
    // A failed write fails the next commit of a volume, too, which its users hear of.
    void ignoreFailure(this.#c.kv.write([write], { sync: false }), 'it is heard again')
  }
}

function isSame(a: SecurityHead, b: SecurityHead): boolean {
  return a.number === b.number && equalBytes(a.hash, b.hash)
}

function encodeHeld({ head, heardMs, sentMs, back }: Held): Uint8Array {
  const was = back === undefined ? null : [back.number, back.atMs]
  return encodeCbor({ e: securityHeadValue(head), at: heardMs, sent: sentMs, b: was })
}

function decodeHeld(bytes: Uint8Array): Held {
  const f = new Fields(decodeCbor(bytes, 'held security log'), 'held security log')
  const head = readSecurityHead(f.fields('e'))
  const [number, atMs] = f.has('b') ? (f.list('b', 2) as readonly [number, WallTime]) : []
  const heardMs = f.raw('at') as WallTime
  const back = number === undefined || atMs === undefined ? undefined : { number, atMs }
  return { head, number: head.number, heardMs, sentMs: f.integer('sent'), back }
}
