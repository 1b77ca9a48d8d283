// Which members together speak for a volume: more than half of those who can tell, an admin among
// them. Half of them do with the senior admin among them: never by who has the least peer id, since
// ids can be ground.
import type { PeerId } from '../ids.ts'
import type { MemberRole } from './members.ts'
import { isNode, mayAdminister } from '../roles.ts'

/**
 * Are these a quorum of `electors`? Recovery keys, with which no node runs, do not count on either
 * side.
 */
export function isQuorum(electors: Iterable<MemberRole>, agreeing: ReadonlySet<PeerId>): boolean {
  const nodes = [...electors].filter(({ role }) => isNode(role))
  const here = nodes.filter(({ peer }) => agreeing.has(peer))
  if (!here.some(({ role }) => mayAdminister(role))) return false
  if (2 * here.length !== nodes.length) return 2 * here.length > nodes.length
  const senior = seniorAdmin(nodes)
  return senior !== undefined && agreeing.has(senior.peer)
}

/** The admin who has its role for longest. */
export function seniorAdmin<Some extends MemberRole>(members: Iterable<Some>): Some | undefined {
  let senior: Some | undefined
  for (const member of members) {
    if (!isNode(member.role) || !mayAdminister(member.role)) continue
    if (senior === undefined || member.granted < senior.granted) senior = member
  }
  return senior
}
