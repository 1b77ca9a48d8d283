// Knows which acknowledged content must be findable when all machines have heard of everything:
// under its name, in a conflict copy, or as a part of what somebody made of it, unless somebody
// superseded or removed it whose machine had it by then. And which may not: what was removed or
// superseded for good (docs/formats/tree.md, What that means).
//
// An act that writes a token, keeps it or gives it a name makes an instance of it; others take
// instances that their machine had applied. A token must be found while there is an instance that
// nobody took. What a machine had applied is known from the heads of its log before a call and
// after: what came between may have been there when the node handled the call, or not, and either
// outcome is right. How often that is the only reason why a content is gone is counted.
import { CONTENT_KINDS, copiesBeside, plainName, temporaryName } from './acts.ts'
import type { Act, Kind, View } from './acts.ts'
import type { LogGraph } from './log-graph.ts'

export interface Verdict {
  readonly faults: readonly string[]
  /** Tokens that must be there and are. */
  readonly found: number
  /** Tokens that are gone, as somebody had them and superseded or removed them. */
  readonly superseded: number
  /** The same where they came while the node handled that call; of each the kind. */
  readonly cameDuring: readonly string[]
}

/** The effect of an act on tokens, if it had nothing but what was seen before it. */
interface Effect {
  readonly makes: readonly string[]
  /** They get another name. */
  readonly names: readonly string[]
  /** They become files of their own, as copies beside a name that goes. */
  readonly setsAside: readonly string[]
  readonly takes: readonly string[]
  /** Only the name goes, as the file has another. */
  readonly takesName: readonly string[]
  /** The name under which what comes during the call goes as well. */
  readonly target: string | undefined
}

interface Instance {
  readonly act: Act
  readonly kind: 'content' | 'name' | 'aside'
}

/** Kinds by which a name loses what has it. */
const GOING_KINDS: ReadonlySet<Kind> = new Set<Kind>(['replace', 'rename', 'remove'])

const NO_EFFECT: Effect = {
  makes: [],
  names: [],
  setsAside: [],
  takes: [],
  takesName: [],
  target: undefined,
}

export class Oracle {
  readonly #acts: readonly Act[]
  readonly #log: LogGraph
  readonly #effects: ReadonlyMap<Act, Effect>
  readonly #cameDuring: string[] = []

  constructor(acts: readonly Act[], log: LogGraph) {
    this.#acts = acts
    this.#log = log
    this.#effects = new Map(acts.map((act) => [act, effectOf(act)]))
  }

  /** final: what all show in the end. */
  judge(final: View): Verdict {
    const faults: string[] = []
    const shown = new Set([...final.values()].flat())
    let [found, superseded] = [0, 0]
    for (const act of this.#acts) {
      const { token } = act
      if (!writes(act) || !act.isContentDurable) continue
      if (shown.has(token)) found++
      else if (this.#mustBeFound(token)) faults.push(`lost: ${this.#told(token)}`)
      else superseded++
    }
    const known = new Map(this.#acts.map((act) => [act.token, act]))
    for (const [name, tokens] of final) {
      const writers = tokens.flatMap((token) => known.get(token) ?? [])
      if (writers.length < tokens.length)
        faults.push(`nobody wrote what ${name} holds: ${tokens.join('+')}`)
      const last = writers.toSorted((a, b) => b.number - a.number)[0]
      if (last === undefined) continue
      const names = this.#namesOf(last.token)
      if (!names.has(plainName(name)))
        faults.push(`under a wrong name: ${name}: ${this.#told(last.token)}`)
      if (this.#mustBeGone(last.token)) faults.push(`back as ${name}: ${this.#told(last.token)}`)
    }
    return { faults, found, superseded, cameDuring: this.#cameDuring }
  }

  #mustBeFound(token: string): boolean {
    const instances = this.#instancesOf(token).filter((one) => this.#isCertain(one, token))
    let during: string | undefined
    for (const instance of instances) {
      const takers = this.#acts.flatMap((act) => this.#takes(act, token, instance) ?? [])
      if (takers.length === 0) return !this.#isUnnamed(token)
      if (!takers.includes('seen')) during = takers[0]
    }
    if (during !== undefined) this.#cameDuring.push(during)
    return false
  }

  /**
   * Has an act taken this instance? 'seen': what its machine had before included it; else what came
   * during the call, of which kind.
   */
  #takes(act: Act, token: string, instance: Instance): string | undefined {
    if (act === instance.act || act.outcome === 'refused') return undefined
    const effect = this.#effectOf(act)
    if (effect.takes.includes(token)) {
      // A rename that may not have been made keeps what it was to give another name.
      const isMoved = effect.names.includes(token)
      if (isMoved && !this.#isCertain({ act, kind: 'name' }, token)) return undefined
      const isSeen = this.#maySee(act, instance)
      // Other names of the file have the new content, too.
      if (isSeen || (CONTENT_KINDS.has(act.kind) && instance.kind === 'name')) return 'seen'
    }
    if (!this.#maySee(act, instance, meantBy(act))) return undefined
    return this.#mayMeet(act, token) ? act.kind : undefined
  }

  /** May the token have come to the name that the act means while the node handled that? */
  #mayMeet(act: Act, token: string): boolean {
    const { target } = this.#effectOf(act)
    if (target === undefined || !this.#hasArrivals(act)) return false
    if (copiesBeside(act.view, target).includes(token)) return true
    const names = this.#namesOf(token)
    return (
      names.has(target) &&
      this.#instancesOf(token).some(
        (instance) => !this.#surelySeen(act, instance) && this.#maySee(act, instance, meantBy(act)),
      )
    )
  }

  /** Each name of a file with several was removed by somebody who saw another. */
  #isUnnamed(token: string): boolean {
    const removed = this.#acts.flatMap((act) => {
      const { takes, takesName } = this.#effectOf(act)
      const isGone = takesName.includes(token) || takes.includes(token)
      return isGone && act.outcome !== 'refused' ? [goneName(act, token)] : []
    })
    const isPartly = this.#acts.some((act) => this.#effectOf(act).takesName.includes(token))
    const names = this.#namesOf(token)
    return isPartly && new Set(removed).size >= new Set([...names].filter(isPlanned)).size
  }

  /**
   * Is each instance taken by an act that is durable, whose machine surely had it, and nobody can
   * have kept it without knowing?
   */
  #mustBeGone(token: string): boolean {
    const isCopy = this.#acts.some(({ view }) =>
      [...view].some(([name, tokens]) => plainName(name) !== name && tokens.includes(token)),
    )
    const names = this.#namesOf(token)
    // Somebody may have set it aside without having been seen to have it.
    const isKept = this.#acts.some(
      (act) =>
        GOING_KINDS.has(act.kind) &&
        act.outcome !== 'refused' &&
        (names.has(act.name) || names.has(act.to)) &&
        this.#hasArrivals(act),
    )
    if (isCopy || isKept) return false
    const naming = this.#acts.filter(
      ({ kind, name, outcome }) =>
        (kind === 'rename' || kind === 'link') && outcome !== 'refused' && names.has(name),
    )
    return this.#instancesOf(token).every((instance) =>
      this.#acts.some((act) => {
        if (act.fate !== 'durable' || act.outcome !== 'done' || act === instance.act) return false
        if (!this.#effectOf(act).takes.includes(token) || this.#hasArrivals(act)) return false
        const seen = [instance, ...naming.map((by) => ({ act: by, kind: 'name' }) as const)]
        return seen.every((one) => one.act === act || this.#surelySeen(act, one))
      }),
    )
  }

  #instancesOf(token: string): readonly Instance[] {
    return this.#acts.flatMap((act): Instance[] => {
      if (act.outcome === 'refused' && !act.isContentDurable) return []
      const { makes, names, setsAside } = this.#effectOf(act)
      if (makes.includes(token)) return [{ act, kind: 'content' }]
      if (names.includes(token)) return [{ act, kind: 'name' }]
      return setsAside.includes(token) ? [{ act, kind: 'aside' }] : []
    })
  }

  /** Was it made for sure? What an act keeps of others' may have changed while it was handled. */
  #isCertain({ act, kind }: Instance, token: string): boolean {
    if (kind === 'content' && act.token === token) return act.isContentDurable
    if (act.outcome !== 'done' || act.fate !== 'durable' || this.#hasArrivals(act)) return false
    // A copy that is a file of its own by now is not set aside once more.
    return kind !== 'aside' || !this.#isSetAsideBefore(act, token)
  }

  #isSetAsideBefore(act: Act, token: string): boolean {
    return this.#acts.some(
      (other) =>
        this.#effectOf(other).setsAside.includes(token) &&
        this.#maySee(act, { act: other, kind: 'aside' }),
    )
  }

  #maySee(act: Act, { act: made }: Instance, seen = act.seen): boolean {
    if (act.machine === made.machine) return made.number < act.number
    return this.#count(seen, made.machine) > this.#count(made.before, made.machine)
  }

  #surelySeen(act: Act, { act: made }: Instance): boolean {
    if (act.machine === made.machine) return made.number < act.number
    return this.#count(act.before, made.machine) >= this.#count(made.settled, made.machine)
  }

  #hasArrivals(act: Act): boolean {
    const [before, after] = [this.#log.past(act.before), this.#log.past(meantBy(act))]
    return after.some((count, by) => by !== act.machine && count > (before[by] ?? 0))
  }

  #count(heads: Act['settled'], machine: number): number {
    return this.#log.past(heads)[machine] ?? 0
  }

  /** Under which it was written, and those that it may have got. */
  #namesOf(token: string): ReadonlySet<string> {
    const writer = this.#acts.find((act) => act.token === token)
    if (writer === undefined) return new Set()
    const names = new Set([plainName(writer.name), temporaryName(writer)])
    for (let size = 0; size < names.size;) {
      size = names.size
      for (const { kind, name, to } of this.#acts)
        if ((kind === 'rename' || kind === 'link') && names.has(name)) names.add(to)
    }
    return names
  }

  #effectOf(act: Act): Effect {
    return this.#effects.get(act) ?? NO_EFFECT
  }

  /** The acts that had to do with a token. */
  #told(token: string): string {
    const names = this.#namesOf(token)
    const acts = this.#acts.filter(({ name, to }) => names.has(plainName(name)) || names.has(to))
    return [`${token}, of`, ...acts.map((act) => `  ${this.#line(act)}`)].join('\n')
  }

  #line(act: Act): string {
    const { number, machine, kind, name, to, outcome, fate, view, read } = act
    const past = [act.before, act.seenAtOpen, act.seen, act.settled].map((heads) =>
      this.#log.past(heads).join('-'),
    )
    const shown = [...view].map(([at, tokens]) => `${at} = ${tokens.join('+')}`).join(', ')
    return [
      `${number}: n${machine + 1} ${kind} ${name}${kind === 'rename' || kind === 'link' ? ` to ${to}` : ''}`,
      `${act.isHeld ? 'held ' : ''}${outcome} ${fate}${act.isContentDurable ? ' closed' : ''}`,
      `had ${past.join(' ')}; saw ${shown}${read === undefined ? '' : `; read ${read.join('+')}`}`,
    ].join('; ')
  }
}

function writes({ kind }: Act): boolean {
  return kind === 'replace' || (CONTENT_KINDS.has(kind) && kind !== 'truncate')
}

/**
 * Heads of what the act means at the latest: a program that read all of the file knows what it
 * means.
 */
function meantBy({ read, seen, seenAtOpen }: Act): Act['seen'] {
  return read === undefined ? seen : seenAtOpen
}

function isPlanned(name: string): boolean {
  return !name.startsWith('.')
}

function goneName({ kind, name, to, view }: Act, token: string): string {
  const isReplaced = kind === 'rename' && view.get(to)?.includes(token) === true
  return isReplaced ? to : name
}

function effectOf(act: Act): Effect {
  const { kind, name, to, token, view, read } = act
  const own = view.get(name) ?? []
  const [first] = read ?? own
  switch (kind) {
    case 'write':
      return { ...NO_EFFECT, makes: [token], takes: own, target: name }
    case 'append':
      return { ...NO_EFFECT, makes: [...own, token] }
    case 'truncate':
      return { ...NO_EFFECT, makes: own.slice(0, 1), takes: own.slice(1), target: name }
    case 'overwrite': {
      const makes = [...(read ?? own).slice(1), token]
      return { ...NO_EFFECT, makes, takes: first === undefined ? [] : [first], target: name }
    }
    case 'cut':
      return { ...NO_EFFECT, makes: [token], takes: read ?? own, target: name }
    case 'replace':
      return { ...goingFrom(view, name, own), makes: [token], target: name }
    case 'remove':
      return { ...goingFrom(view, name, own), target: name }
    case 'remove-copy':
      return { ...NO_EFFECT, takes: own }
    case 'link':
      return { ...NO_EFFECT, names: own }
    case 'rename': {
      const over = view.get(to) ?? []
      // Two names of one file: nothing is done.
      if (over.length > 0 && over.at(-1) === own.at(-1)) return { ...NO_EFFECT, target: to }
      const going = goingFrom(view, to, over)
      const setsAside = [...going.setsAside, ...copiesBeside(view, name)]
      return { ...going, names: own, takes: [...going.takes, ...own], setsAside, target: to }
    }
  }
}

/** The name goes, with what has it. */
function goingFrom(view: View, name: string, own: readonly string[]): Effect {
  const others = [...view].filter(([other]) => other !== name && plainName(other) === other)
  const hasOther = (token: string): boolean => others.some(([, tokens]) => tokens.includes(token))
  return {
    ...NO_EFFECT,
    takes: own.filter((token) => !hasOther(token)),
    takesName: own.filter(hasOther),
    setsAside: view.has(name) ? copiesBeside(view, name) : [],
  }
}
