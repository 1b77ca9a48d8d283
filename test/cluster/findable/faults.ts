// Faults of a round's machines, and of the links between them, while people work there.
import type { SeededRandom } from '../../../simulations/random.ts'
import type { TestNetwork } from '../netns.ts'
import { MACHINES } from './acts.ts'
import type { MountedMachine } from './machine.ts'
import { sleep } from './user.ts'

export type Fault =
  | { readonly kind: 'cut' | 'stop' | 'kill' | 'restart'; readonly of: number }
  /** Nothing that one sends arrives at the other. */
  | { readonly kind: 'drop'; readonly of: number; readonly to: number }

export interface PlannedFault {
  readonly fault: Fault
  readonly afterMs: number
  readonly forMs: number
}

const START_MS = 1500
const LENGTH_MS = 3000

/** The faults of a round; they may come together. */
export function planFaults(random: SeededRandom): readonly PlannedFault[] {
  const of = random.below(MACHINES)
  const to = (of + 1 + random.below(MACHINES - 1)) % MACHINES
  const cut: Fault = { kind: 'cut', of }
  const drop: Fault = { kind: 'drop', of, to }
  const kill: Fault = { kind: 'kill', of }
  const faults = random.pick<readonly Fault[]>([
    [],
    [],
    [cut],
    [cut],
    [cut, { kind: 'cut', of: to }],
    [drop],
    [drop, { kind: 'drop', of: to, to: of }],
    [{ kind: 'stop', of }],
    [
      { kind: 'stop', of },
      { kind: 'cut', of: to },
    ],
    [kill],
    [kill, { kind: 'kill', of: to }],
    [cut, { kind: 'kill', of: to }],
    [cut, kill],
    [{ kind: 'restart', of }],
  ])
  return faults.map((fault) => ({
    fault,
    // Some from the beginning.
    afterMs: random.chance(0.3) ? 0 : random.below(START_MS),
    forMs: 200 + random.below(LENGTH_MS),
  }))
}

/** Do it, and undo it. */
export async function inflict(
  { fault, afterMs, forMs }: PlannedFault,
  network: TestNetwork,
  machines: readonly MountedMachine[],
): Promise<void> {
  const at = (number: number): MountedMachine => {
    const machine = machines[number]
    if (machine === undefined) throw new RangeError(`there is no machine ${number}`)
    return machine
  }
  await sleep(afterMs)
  switch (fault.kind) {
    case 'cut':
      network.cut(at(fault.of).machine)
      await sleep(forMs)
      return network.join(at(fault.of).machine)
    case 'drop':
      network.drop(at(fault.of).machine, at(fault.to).machine)
      await sleep(forMs)
      return network.pass(at(fault.of).machine, at(fault.to).machine)
    case 'stop':
      at(fault.of).signal('SIGSTOP')
      await sleep(forMs)
      return at(fault.of).signal('SIGCONT')
    case 'kill':
    case 'restart':
      await at(fault.of).end(fault.kind === 'kill' ? 'SIGKILL' : 'SIGTERM')
      await sleep(forMs / 4)
      return at(fault.of).start()
  }
}
