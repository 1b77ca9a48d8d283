// Looks at a machine and its node, or at a peer of it, and shows the findings.
import { count } from '../output.ts'
import { writeBundle } from './bundle.ts'
import { findingsText } from './finding.ts'
import { checkMachine } from './machine-checks.ts'
import { checkNode } from './node-checks.ts'
import { checkPeer } from './peer-checks.ts'
import type { Context } from '../context.ts'
import type { Finding } from './finding.ts'

/** bundle: the file to pack them into, with logs and state. */
export async function examine(
  context: Context,
  peer: string | undefined,
  { bundle }: { readonly bundle?: string },
): Promise<void> {
  const { client, home } = context
  const findings: Finding[] = peer === undefined ? await checkMachine(home) : []
  const node = await checkNode(client)
  if (peer === undefined || node.status === undefined) findings.push(...node.findings)
  if (peer !== undefined && node.status !== undefined)
    findings.push(...(await checkPeer(client, node.status, peer)))
  if (bundle !== undefined) await writeBundle(bundle, { home, client, findings })
  context.print({ findings, bundle }, () => {
    const bad = findings.filter(({ state }) => state === 'failure' || state === 'warning')
    const sum = bad.length === 0 ? 'Nothing is wrong.' : `${count(bad.length, 'thing')} to look at.`
    const packed = bundle === undefined ? [] : [`Packed in ${bundle}: read it before you send it.`]
    return [findingsText(findings, context.columns), '', sum, ...packed].join('\n')
  })
  if (findings.some(({ state }) => state === 'failure')) context.exitCode = 1
}
