// The checks of the running node: whether it answers, what is raised, whether others reach it.
import { hasCode } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { formatDuration } from '../output.ts'
import { failure, ok, warning } from './finding.ts'
import type { Client } from '../../node/control/client.ts'
import type { NodeStatus, PeerStatus } from '../../node/control/status.ts'
import type { Finding } from './finding.ts'

const ANSWER_MS: number = 15 * SECOND_MS

/** A node that answers, and its status; undefined where none does. */
export async function checkNode(
  client: Client,
): Promise<{ readonly findings: Finding[]; readonly status: NodeStatus | undefined }> {
  let status: NodeStatus
  try {
    status = await client.status({ signal: AbortSignal.timeout(ANSWER_MS) })
  } catch (error) {
    if (hasCode(error, 'timeout')) return silent()
    if (!hasCode(error, 'not-running')) throw error
    const next = 'start it with "shoal up", or at boot as docs/mount.md says'
    return { findings: [failure('node', 'no node runs on this home', next)], status: undefined }
  }
  const { node, volumes, peers } = status
  const up = formatDuration(Date.now() - node.startedMs)
  const findings = [ok('node', `${node.name}, version ${node.version}, up for ${up}`)]
  findings.push(...addressFindings(status), ...peerFindings(peers))
  if (volumes.length === 0)
    findings.push(ok('volumes', 'none yet: the first file makes one, or join with a ticket'))
  const { raised } = await client.checkAlerts()
  for (const { name, severity, message, next } of raised)
    findings.push(
      severity === 'critical' ? failure(name, message, next) : warning(name, message, next),
    )
  if (raised.length === 0) findings.push(ok('alerts', 'none raised'))
  return { findings, status }
}

function silent(): { findings: Finding[]; status: undefined } {
  const message = `it runs, and does not answer within ${ANSWER_MS / SECOND_MS} s`
  const next = 'see logs/node.log in its home, and the load of this machine; then start it anew'
  return { findings: [failure('node', message, next)], status: undefined }
}

function addressFindings({ node: { addresses } }: NodeStatus): Finding[] {
  const others = addresses.filter((address) => !/\/(127\.|::1\/)/.test(address))
  if (others.length > 0) return [ok('addresses', `others may dial ${others.length} of them`)]
  const next = 'set "listen" in config.yaml to /ip4/0.0.0.0/tcp/PORT, and connect to a network'
  return [warning('addresses', 'only programs of this machine can dial this node', next)]
}

function peerFindings(peers: readonly PeerStatus[]): Finding[] {
  const members = peers.filter(({ volumes }) => volumes.length > 0)
  if (members.length === 0) return [ok('peers', 'none yet; "shoal invite" makes a ticket')]
  const away = members.filter(({ state }) => state !== 'online').map(({ name }) => name)
  const connected = members.filter(({ isConnected }) => isConnected).length
  const message = `${connected} of ${members.length} connected`
  if (away.length === 0) return [ok('peers', message)]
  return [
    warning('peers', `${message}; away: ${away.join(', ')}`, `"shoal doctor ${away[0]}" says why`),
  ]
}
