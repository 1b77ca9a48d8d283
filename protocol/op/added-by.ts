// The part of an op that is nobody's loss.
import type { Op } from './op.ts'

/**
 * The part of an appender's op that only adds. What replaces or removes would not be kept for being
 * an appender's if another said it; so a version is beside what it replaces.
 */
export function addedBy(op: Op): Op | undefined {
  switch (op.kind) {
    case 'version': {
      const { goesOn: _, ...version } = op
      return { ...version, base: [] }
    }
    case 'mkdir':
    case 'create':
    case 'link':
    case 'stripe':
      return op
    default:
      return undefined
  }
}
