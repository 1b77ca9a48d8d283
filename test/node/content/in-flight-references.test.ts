// The references held by open writes, whatever begins and ends meanwhile.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { InFlightReferences } from '../../../node/content/in-flight-references.ts'
import type { Lease } from '../../../node/content/in-flight-references.ts'
import type { ChunkId } from '../../../protocol/ids.ts'

/**
 * One step of some operations: begin, end the n-th that is open, touch a chunk, or a survey begins.
 */
type Step =
  | { readonly kind: 'begin' }
  | { readonly kind: 'survey' }
  | { readonly kind: 'end'; readonly which: number }
  | { readonly kind: 'touch'; readonly number: number }

const STEPS: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('begin' as const) }),
    fc.record({ kind: fc.constant('survey' as const) }),
    fc.record({ kind: fc.constant('end' as const), which: fc.nat(9) }),
    fc.record({ kind: fc.constant('touch' as const), number: fc.nat(50) }),
  ),
  { maxLength: 60 },
)

describe('references in flight', () => {
  test('all chunks touched since the oldest open write began are found', () => {
    fc.assert(
      fc.property(STEPS, (steps) => {
        const inFlight = new InFlightReferences()
        const open: { lease: Lease; chunks: Set<ChunkId> }[] = []
        for (const step of steps) {
          if (step.kind === 'begin') open.push({ lease: inFlight.begin(), chunks: new Set() })
          else if (step.kind === 'survey') inFlight.startGeneration()
          else if (step.kind === 'touch') {
            inFlight.add(chunk(step.number))
            for (const { chunks } of open) chunks.add(chunk(step.number))
          } else {
            const [ended] = open.splice(step.which % Math.max(1, open.length), 1)
            ended?.lease.end()
            ended?.lease.end()
          }
          for (const { chunks } of open) assert.ok([...chunks].every((one) => inFlight.has(one)))
        }
      }),
    )
  })

  test('nothing is found when no write is open', () => {
    const inFlight = new InFlightReferences()
    const lease = inFlight.begin()
    inFlight.add(chunk(1))
    lease.end()
    assert.equal(inFlight.has(chunk(1)), false)
    inFlight.add(chunk(2))
    assert.equal(inFlight.has(chunk(2)), false)
  })

  test('a write that began after a survey does not hold chunks touched before it', () => {
    const inFlight = new InFlightReferences()
    const first = inFlight.begin()
    inFlight.add(chunk(1))
    inFlight.startGeneration()
    const second = inFlight.begin()
    inFlight.add(chunk(2))
    first.end()
    assert.deepEqual([inFlight.has(chunk(1)), inFlight.has(chunk(2))], [false, true])
    second.end()
  })

  test('a survey that begins with the oldest write holds its chunks beyond its end', () => {
    const inFlight = new InFlightReferences()
    const write = inFlight.begin()
    inFlight.add(chunk(1))
    const survey = inFlight.beginWithOldest()
    inFlight.startGeneration()
    write.end()
    assert.equal(inFlight.has(chunk(1)), true)
    survey.end()
    assert.equal(inFlight.has(chunk(1)), false)
  })
})

function chunk(number: number): ChunkId {
  return `chunk ${number}` as ChunkId
}
