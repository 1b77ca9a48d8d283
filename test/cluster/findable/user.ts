// Somebody at a machine: makes the acts of a plan, one after the other, and records what was told
// of each, and what the machine had when.
import assert from 'node:assert/strict'
import { lineOf, plainName, temporaryName, tokensOf } from './acts.ts'
import type { Act, Heads, LineBytes, PlannedAct } from './acts.ts'
import type { Answer, Call, MountedMachine } from './machine.ts'

/** How long a held file waits for something to come, and between two looks for it. */
const HOLD_MS = 500
const HOLD_LOOK_MS = 40
/** Errors of calls that change nothing. */
const REFUSALS: ReadonlySet<string> = new Set(['ENOENT', 'EEXIST', 'ESTALE', 'EXDEV'])

/** The record that all users of a round write. */
export interface Recording {
  readonly acts: Act[]
  readonly folder: string
  readonly lineBytes: LineBytes
}

export class User {
  readonly #machine: MountedMachine
  readonly #recording: Recording
  /** Deaths of the node that the acts so far were before. */
  #killed: number

  constructor(machine: MountedMachine, recording: Recording) {
    this.#machine = machine
    this.#recording = recording
    this.#killed = machine.killed
  }

  /** start: of all users, who then look before each act and make it at once. */
  async performAll(plan: readonly PlannedAct[], start?: CommonStart): Promise<void> {
    for (const planned of plan) {
      if (start === undefined) await sleep(planned.waitMs)
      await this.perform(planned, start)
    }
  }

  async perform(planned: PlannedAct, start?: CommonStart): Promise<void> {
    const machine = this.#machine
    const { acts, folder, lineBytes } = this.#recording
    await machine.untilUp()
    this.#forget()
    const { killed } = machine
    const seen = await machine.look(folder, lineBytes)
    // Its node ended between.
    if (seen === undefined) return
    if (start !== undefined) {
      await start.ready()
      await sleep(planned.waitMs)
    }
    const act = recorded(this.#fitted(planned, seen.view), {
      number: acts.length,
      machine: machine.number,
      before: seen.heads,
      view: seen.view,
    })
    acts.push(act)
    await this.#make(act)
    const after = await machine.heads()
    this.#forget()
    if (machine.killed > killed && act.fate !== 'durable') act.fate = 'unknown'
    act.seenAtOpen ??= after
    act.seen ??= act.seenAtOpen
    if (act.fate === 'durable' || act.isContentDurable) this.#settle(act, after)
  }

  /** All that was said is durable: as when the node ends in order. */
  settleAll(): void {
    this.#forget()
    for (const act of this.#own()) if (act.fate === 'said') act.fate = 'durable'
  }

  /** After a death, all that was only said may be there or not. */
  #forget(): void {
    if (this.#killed === this.#machine.killed) return
    this.#killed = this.#machine.killed
    for (const act of this.#own()) if (act.fate === 'said') act.fate = 'unknown'
  }

  /** The last that was synced took all before with it. */
  #settle(last: Act, heads: Heads | undefined): void {
    for (const act of this.#own()) {
      if (act.fate === 'said' && act !== last) act.fate = 'durable'
      if (act.fate === 'durable') act.settled ??= heads
    }
  }

  #own(): readonly Act[] {
    return this.#recording.acts.filter(({ machine }) => machine === this.#machine.number)
  }

  /** As the folder is: a conflict copy to remove is one that there is. */
  #fitted(planned: PlannedAct, view: ReadonlyMap<string, unknown>): PlannedAct {
    if (planned.kind !== 'remove-copy') return planned
    const copy = [...view.keys()].find((name) => plainName(name) !== name)
    return copy === undefined ? { ...planned, kind: 'remove' } : { ...planned, name: copy }
  }

  #make(act: Act): Promise<void> {
    switch (act.kind) {
      case 'write':
        return this.#throughHandle(act, 'write create empty', [this.#write(act, 0)])
      case 'append':
        return this.#throughHandle(act, 'write create append', [this.#write(act)])
      case 'overwrite':
        return this.#throughHandle(act, 'both', [this.#write(act, 0)])
      case 'cut': {
        const cut: Call = ['cut', this.#recording.lineBytes]
        return this.#throughHandle(act, 'both', [cut, this.#write(act, 0)])
      }
      case 'replace':
        return this.#replace(act)
      case 'truncate':
        return this.#alone(act, ['truncate', this.#path(act), this.#recording.lineBytes])
      case 'rename':
      case 'link':
        return this.#alone(act, [act.kind, this.#path(act), this.#path(act, act.to)])
      case 'remove':
      case 'remove-copy':
        return this.#alone(act, ['unlink', this.#path(act)])
    }
  }

  /** Open, wait and read as planned, write, close. */
  async #throughHandle(act: Act, flags: string, writes: readonly Call[]): Promise<void> {
    const machine = this.#machine
    if (!this.#took(act, await machine.call(['open', this.#path(act), flags]))) return
    // Made, or emptied, from here on, perhaps.
    act.outcome = 'unknown'
    const atOpen = await machine.heads()
    // What is appended goes behind all that has come by then.
    if (act.kind !== 'append') act.seenAtOpen = atOpen
    if (act.isHeld) await this.#untilSomethingComes(atOpen)
    if (act.reads !== 'nothing' && flags === 'both') {
      const all = act.reads === 'all'
      const { lineBytes } = this.#recording
      const answer = await machine.call(['read', all ? 64 * lineBytes : lineBytes / 2])
      if (!this.#took(act, answer)) return
      if (all) act.read = tokensOf(answer.results[0] ?? '', lineBytes)
      act.seen = await machine.heads()
    }
    if (!this.#took(act, await machine.call(...writes, ['close']))) return
    act.outcome = 'done'
    act.fate = 'durable'
    act.isContentDurable = true
  }

  /** As editors and rsync save. */
  async #replace(act: Act): Promise<void> {
    const temporary = this.#path(act, temporaryName(act))
    const opened: Call = ['open', temporary, 'write create exclusive']
    if (!this.#took(act, await this.#machine.call(opened, this.#write(act, 0), ['close']))) return
    act.isContentDurable = true
    await this.#alone(act, ['rename', temporary, this.#path(act)])
  }

  /** A call that no close(2) follows: durable when the folder is synced. */
  async #alone(act: Act, call: Call): Promise<void> {
    if (!this.#took(act, await this.#machine.call(call))) return
    act.outcome = 'done'
    act.fate = 'said'
    if (!act.isSynced) return
    const answer = await this.#machine.call(['sync', this.#path(act, '')])
    if (answer.failure === undefined) act.fate = 'durable'
  }

  /** Did all calls succeed? Else notes what is known then. */
  #took(act: Act, { failure }: Answer): boolean {
    if (failure === undefined) return true
    const isFirst = act.outcome === 'refused' && !act.isContentDurable
    act.outcome =
      REFUSALS.has(failure) && (isFirst || act.kind === 'replace') ? 'refused' : 'unknown'
    if (act.outcome === 'unknown') act.fate = 'unknown'
    return false
  }

  async #untilSomethingComes(heads: Heads | undefined): Promise<void> {
    const end = Date.now() + HOLD_MS
    while (Date.now() < end) {
      const now = await this.#machine.heads()
      if (now === undefined || String(now) !== String(heads)) return
      await sleep(HOLD_LOOK_MS)
    }
  }

  #write({ token }: Act, position?: number): Call {
    const line = lineOf(token, this.#recording.lineBytes)
    return position === undefined ? ['write', line] : ['write', line, position]
  }

  #path({ name }: Act, other = name): string {
    return this.#machine.path(this.#recording.folder, other)
  }
}

/** Each waits until all are ready. */
export class CommonStart {
  readonly #count: number
  #ready = 0
  #start = Promise.withResolvers<void>()

  constructor(count: number) {
    this.#count = count
  }

  ready(): Promise<void> {
    const { promise, resolve } = this.#start
    if (++this.#ready === this.#count) {
      this.#ready = 0
      this.#start = Promise.withResolvers()
      resolve()
    }
    return promise
  }
}

function recorded(
  planned: PlannedAct,
  known: Pick<Act, 'number' | 'machine' | 'before' | 'view'>,
): Act {
  assert(known.number >= 0)
  return {
    ...planned,
    ...known,
    token: `n${known.machine + 1}w${known.number}`,
    seenAtOpen: undefined,
    seen: undefined,
    read: undefined,
    outcome: 'refused',
    isContentDurable: false,
    fate: 'unknown',
    settled: undefined,
  }
}

/** Acts are meant to fall anywhere. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
