// Writes that were acknowledged and are on this machine alone so far.
import { shown } from '../format.ts'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

export function HereOnly({
  volumes,
}: {
  readonly volumes: Shown['status']['volumes']
}): JSX.Element {
  const words = TEXT.hereOnly
  const isAlone = volumes.length > 0 && volumes.every(({ logCopies }) => logCopies.nodes <= 1)
  if (isAlone) return <p>{words.alone}</p>
  const lines = volumes.flatMap(({ name, unplacedBytes, logCopies: { behind } }) => [
    ...(unplacedBytes > 0 ? [words.bytes(shown(name), unplacedBytes)] : []),
    ...(behind.length > 0 ? [words.behind(shown(name), behind.map(shown).join(', '))] : []),
  ])
  if (lines.length === 0) return <p>{words.nothing}</p>
  return (
    <ul class="plain-list">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  )
}
