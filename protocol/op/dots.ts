// Rewrites the dots that an op refers to: its writer may know other branches of a forked log than
// its reader does (protocol/log/branches.ts).
import type { ActorId } from '../ids.ts'
import { makeDot } from '../clock/dot.ts'
import type { Dot } from '../clock/dot.ts'
import type { Op } from './op.ts'

/** The label here of what somebody else calls (label, seq). */
export type Translate = (label: ActorId, seq: number) => ActorId

/** The op with every dot in it translated. The labels of a checkpoint's cut are everyone's. */
export function translateOp(op: Op, translate: Translate): Op {
  const each = (dots: readonly Dot[]): readonly Dot[] =>
    dots.map((dot) => translateDot(dot, translate))
  switch (op.kind) {
    case 'move':
    case 'move-dir':
    case 'rmdir':
    case 'drop-version':
      return { ...op, saw: each(op.saw) }
    case 'unlink': {
      const { versions, ...rest } = op
      const removed = versions === undefined ? {} : { versions: each(versions) }
      return { ...rest, ...removed, saw: each(op.saw) }
    }
    case 'purge-versions':
      return { ...op, versions: each(op.versions) }
    case 'dismiss-loss':
      return { ...op, losses: each(op.losses) }
    case 'restated':
      return { ...op, entries: each(op.entries) }
    case 'version': {
      const touch = op.touch.map(({ link, saw }) => ({ link, saw: each(saw) }))
      return { ...op, base: each(op.base), touch }
    }
    default:
      return op
  }
}

function translateDot(dot: Dot, translate: Translate): Dot {
  const [actor = '', seq = '', index = ''] = dot.split(':')
  const label = translate(actor as ActorId, Number(seq))
  return label === actor ? dot : makeDot(label, Number(seq), Number(index))
}
