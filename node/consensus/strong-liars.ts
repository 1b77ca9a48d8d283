// Voters that have said what excludes what they said before (protocol/strong/statement.ts): they
// lie, or went back to an old copy of themselves. What each of them said last is remembered, and of
// who contradicts itself the proof is kept, durably, until it is taken out of the voters and put in
// again.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { excludeEachOther, isProof } from '../../protocol/strong/statement.ts'
import type { StrongReply, StrongRequest } from '../../protocol/strong/acceptor.ts'
import type { Proof, Statement } from '../../protocol/strong/statement.ts'
import { enforces } from '../../protocol/trust.ts'
import { decodeProofs, encodeProof } from '../../protocol/wire/strong.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { StrongLog } from './strong-log.ts'
import { commitSoon } from '../log/volume-commit.ts'
import type { Volume } from '../log/volume.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

const PROOFS: ByteString = STATE_PREFIXES.strongProofs
/** Statements of one voter that are remembered. */
const SAID_MAX = 16

export interface LiarsComponents {
  readonly volume: Volume
  readonly log: Pick<StrongLog, 'office'>
  readonly security: RecordSecurity
  readonly ask: (peer: PeerId, request: StrongRequest, signal: AbortSignal) => Promise<StrongReply>
}

export class Liars {
  readonly #c: LiarsComponents
  readonly #said = new Map<PeerId, Statement[]>()
  readonly #proofs = new Map<PeerId, Proof>()
  /** Voters that know of the same. */
  readonly #told = new Set<PeerId>()

  constructor(components: LiarsComponents) {
    this.#c = components
    for (const proof of readProofs(components.volume)) this.#proofs.set(proof[0].voter, proof)
  }

  /** Has it lied in the time in office that it is in? */
  has(peer: PeerId): boolean {
    const proof = this.#proofs.get(peer)
    return enforces('liars-do-not-count') && proof !== undefined && this.#isOfNow(proof[0])
  }

  /** The proofs against voters in office, or a moment ago. */
  get proofs(): readonly Proof[] {
    return [...this.#proofs.values()].filter(([statement]) => this.#isOfNow(statement))
  }

  /** A voter said something, which need not be signed as it should be. */
  heard(statement: Statement): void {
    const { voter, term } = statement
    if (this.#proofs.has(voter) && this.has(voter)) return
    const said = (this.#said.get(voter) ?? []).filter((one) => one.term >= term)
    const other = said.find((one) => excludeEachOther(one, statement))
    this.#said.set(voter, [...said.slice(1 - SAID_MAX), statement])
    if (other !== undefined) this.learn([[other, statement]])
    for (const peer of this.#said.keys())
      if (!this.#c.log.office.terms.has(peer)) this.#said.delete(peer)
  }

  /** Somebody says that these have lied. */
  learn(proofs: readonly Proof[]): void {
    const { volume, security } = this.#c
    const news = proofs.filter(
      (proof) => this.#isOfNow(proof[0]) && !this.has(proof[0].voter) && isProof(volume.id, proof),
    )
    if (news.length === 0) return
    for (const proof of news) {
      const peer = proof[0].voter
      this.#proofs.set(peer, proof)
      const message =
        `the voter ${volume.membership.nameOf(peer)} gave contradictory answers: it lies, ` +
        'or its home was restored from an old copy. Its votes no longer count; ' +
        'remove it from the voters, and add it in again once it is well: ' +
        'shoal volume set voters=...'
      security({ kind: 'voter-lied', volume: volume.id, peer, message })
    }
    const kept = this.proofs
    for (const peer of this.#proofs.keys())
      if (!kept.some(([{ voter }]) => voter === peer)) this.#proofs.delete(peer)
    volume.view.put(PROOFS, encodeCbor({ x: kept.map(encodeProof) }))
    commitSoon(volume)
    this.#told.clear()
  }

  /** Those in office hear of those among them who lied, and tell whoever asks them. */
  async spread(signal: AbortSignal): Promise<void> {
    if (this.proofs.length === 0) return
    const { volume, log } = this.#c
    const self = volume.identity.peer
    const others = log.office.voters.filter((peer) => peer !== self && !this.#told.has(peer))
    await Promise.allSettled(others.map((peer) => this.compareWith(peer, signal)))
  }

  /** Tell a voter who is known to have lied, and hear of whom it knows. */
  async compareWith(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { proofs } = this
    const request = { kind: 'proofs', proofs } as const
    const reply = await ignoreFailure(
      this.#c.ask(peer, request, signal),
      'who does not answer has proved nothing',
    )
    if (reply?.kind !== 'proofs') return
    this.learn(reply.proofs)
    this.#told.add(peer)
  }

  #isOfNow({ voter, term }: Statement): boolean {
    return this.#c.log.office.terms.get(voter) === term
  }
}

/** None that can be read: they are found, or told, again. */
function readProofs({ view }: Volume): readonly Proof[] {
  const bytes = view.get(PROOFS)
  try {
    return bytes === undefined
      ? []
      : decodeProofs(new Fields(decodeCbor(bytes, 'proofs'), 'proofs'))
  } catch (error) {
    if (error instanceof ShoalError) return []
    throw error
  }
}
