// The pins of a node, asked through any of its doors.
import type { NodeApi } from '../../../node/control/api.ts'
import type { Pin } from '../../../node/control/pins.ts'

/** All pins, as they are listed once they are counted. */
export async function pinsOf(api: Pick<NodeApi, 'listPins'>): Promise<readonly Pin[]> {
  const all: Pin[] = []
  for await (const page of api.listPins())
    all.push(...page.filter((each) => each.kind !== 'counted'))
  return all
}
