// The parts that every operation works on, and the reply that several of them give.
import { entryReply } from '../replies.ts'
import type { Attributes, FileSystem } from '../../../file-system.ts'
import type { References } from '../references.ts'
import type { Parts, Timeouts } from '../replies.ts'
import type { Request } from '../request.ts'

/** The parts that operations work on. */
export interface Served {
  readonly fileSystem: FileSystem
  readonly references: References
  readonly timeouts: Timeouts
  /** Flags of INIT that hold. */
  readonly agreed: number
}

/** One operation: from a request to the body of its reply. */
export type Operation = (served: Served, request: Request) => Promise<Parts>

/** The reply that gives the kernel one entry, and with it a reference. */
export async function entry(
  served: Served,
  name: string,
  ask: () => Promise<Attributes | undefined>,
): Promise<Parts> {
  const { references } = served
  return references.giving(async () => {
    const attributes = await ask()
    if (attributes !== undefined) references.add(attributes)
    return entryReply(attributes, timeoutsOf(served, name))
  })
}

/** How long the kernel may trust what it is told of this name. */
export function timeoutsOf({ fileSystem, timeouts }: Served, name: string): Timeouts {
  return (fileSystem.keepsName?.(name) ?? true) ? timeouts : { ...timeouts, entryMs: 0 }
}
