// The drawing beside `shoal log --graph`: lanes part and join where entries do, and stay few.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Graph } from '../../cli/graph.ts'

const LANES_MAX = 12

/** Entries newest first, "id parent parent": what is drawn, with the id behind the node. */
function draw(...entries: readonly string[]): string {
  const graph = new Graph()
  return entries
    .flatMap((text) => {
      const [id = '', ...parents] = text.split(' ')
      const { before, node, after } = graph.next(id, parents)
      return [...before, `${node} ${id}`, ...after]
    })
    .join('\n')
}

describe('log graph', () => {
  test('entries in sequence are drawn as one line', () => {
    assert.equal(draw('c b', 'b a', 'a'), '* c\n* b\n* a')
  })

  test('two concurrent entries fork from one and join in one', () => {
    assert.equal(
      draw('e c d', 'd b', 'c b', 'b a', 'a'),
      ['* e', '├─╮', '│ * d', '* │ c', '├─╯', '* b', '* a'].join('\n'),
    )
  })

  test('two heads start in adjacent lanes', () => {
    assert.equal(draw('c a', 'b a', 'a'), ['* c', '│ * b', '├─╯', '* a'].join('\n'))
  })

  test('an entry with three parents has three lanes below, which pass behind others', () => {
    assert.equal(
      draw('h e f g', 'g d', 'f d', 'e d', 'd'),
      ['* h', '├─┬─╮', '│ │ * g', '│ * │ f', '* │ │ e', '├─┴─╯', '* d'].join('\n'),
    )
    assert.equal(
      draw('i f', 'h g', 'f e g', 'g e', 'e'),
      ['* i', '│ * h', '* │ f', '├─┤', '│ * g', '├─╯', '* e'].join('\n'),
    )
    assert.equal(
      draw('j a', 'k b', 'l c', 'a d c', 'b d'),
      ['* j', '│ * k', '│ │ * l', '* │ │ a', '├─│─┤', '│ * │ b'].join('\n'),
    )
  })

  test('unrelated histories are drawn one after the other in one lane', () => {
    assert.equal(draw('b a', 'a', 'd c', 'c'), '* b\n* a\n* d\n* c')
  })

  test('any DAG gives one star per entry, and a bounded number of lanes', () => {
    // The parents of each entry as distances to older ones; those that point beyond the end are not
    // in the log.
    const dag = fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }), {
      maxLength: 80,
    })
    fc.assert(
      fc.property(dag, (entries) => {
        const graph = new Graph()
        entries.forEach((distances, at) => {
          const rows = graph.next(
            String(at),
            distances.map((distance) => String(at + distance)),
          )
          assert.equal(rows.node.split('*').length, 2)
          for (const row of [...rows.before, rows.node, rows.more, ...rows.after])
            assert.ok(row.length <= 2 * LANES_MAX + 1, row)
        })
      }),
      { seed: 7, numRuns: 200 },
    )
  })
})
