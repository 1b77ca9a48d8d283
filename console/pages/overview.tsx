// The first page: how safe everything is, and what there is to do, in the order of urgency.
import { safetyOf } from '../safety.ts'
import { Alerts } from '../parts/alerts.tsx'
import { Card } from '../parts/card.tsx'
import { Changes } from '../parts/changes.tsx'
import { ColdTiers } from '../parts/cold-tiers.tsx'
import { Conflicts } from '../parts/conflicts.tsx'
import { Doors } from '../parts/doors.tsx'
import { HereOnly } from '../parts/here-only.tsx'
import { Machines } from '../parts/machines.tsx'
import { Redundancy } from '../parts/redundancy.tsx'
import { Transfers } from '../parts/transfers.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { PageProps } from '../pages.ts'

const CHANGES = 12

export function Overview({ seen }: PageProps): JSX.Element {
  const { status, traffic } = seen
  const { level, sentence, next } = safetyOf(status)
  const { volumes } = status
  return (
    <>
      <h1 class="hidden">{TEXT.nav.home}</h1>
      <section class={`safety ${level}`} role="status">
        <p class="sentence">{sentence}</p>
        {next.map((line) => (
          <p key={line}>{line}</p>
        ))}
      </section>
      <div class="cards">
        <Alerts alerts={seen.alerts} count={seen.alertCount} />
        <Card title={TEXT.machines.title} wide>
          <Machines status={status} traffic={traffic} />
        </Card>
        <Card title={TEXT.redundancy.title}>
          <Redundancy volumes={volumes} minutes={traffic.minutes} />
        </Card>
        <Card title={TEXT.hereOnly.title}>
          <HereOnly volumes={volumes} />
        </Card>
        <Card title={TEXT.transfers.title} wide>
          <Transfers minutes={traffic.minutes} />
        </Card>
        <Card title={TEXT.conflicts.title}>
          <Conflicts volumes={volumes} />
        </Card>
        <Card title={TEXT.cold.title}>
          <ColdTiers volumes={volumes} />
        </Card>
        <Card title={TEXT.doors.title}>
          <Doors />
        </Card>
        <Card title={TEXT.changes.title}>
          <Changes volumes={volumes} limit={CHANGES} />
        </Card>
      </div>
    </>
  )
}
