// Rules for Prometheus, of the conditions of which a node tells by itself: each is raised where the
// node has raised it, and one more says that a node does not answer.
import { stringify } from 'yaml'
import { CONDITIONS } from '../../node/alerts/conditions.ts'

const HEAD = `# Rules for Prometheus, made of node/alerts/conditions.ts by "UPDATE=1 npm test -- test/metrics-page".
# How long a condition must be true is decided by each node, as docs/alerts.md says.
`

export function alertRules(): string {
  const rules = CONDITIONS.map(({ name, severity, summary }) => ({
    alert: `Shoal${pascal(name)}`,
    expr: `max by (instance, alert) (shoal_alerts{alert="${name}"}) > 0`,
    labels: { severity },
    annotations: {
      summary: `{{ $labels.instance }}: ${summary}`,
      description: 'What to do: run "shoal alerts" on that machine.',
    },
  }))
  const down = {
    alert: 'ShoalDown',
    expr: 'up{job="shoal"} == 0',
    for: '5m',
    labels: { severity: 'critical' },
    annotations: {
      summary: '{{ $labels.instance }}: the node does not answer',
      description: 'See whether the machine is on, and "shoal doctor" there.',
    },
  }
  return (
    HEAD + stringify({ groups: [{ name: 'shoal', rules: [...rules, down] }] }, { lineWidth: 0 })
  )
}

/** 'peer-gone' as 'PeerGone'. */
function pascal(name: string): string {
  return name.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
