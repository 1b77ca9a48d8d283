// The machines: who they are, how another is invited or this one joins, and how one is taken out.
import { Card } from '../parts/card.tsx'
import { Invite, Join } from '../parts/invite.tsx'
import { Machines } from '../parts/machines.tsx'
import { Members } from '../parts/members.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { PageProps } from '../pages.ts'

export function MachinesPage({ seen: { status, traffic } }: PageProps): JSX.Element {
  const { volumes, node } = status
  const mine = volumes.filter(({ role }) => role === 'admin').map(({ name }) => name)
  return (
    <>
      <h1>{TEXT.nav.machines}</h1>
      <div class="cards">
        <Card title={TEXT.machines.title} wide>
          <Machines status={status} traffic={traffic} />
        </Card>
        {mine.length > 0 || volumes.length === 0 ? <Invite volumes={mine} /> : <NoAdmin />}
        <Join />
        {volumes.map(({ id, name, role, heads }) => (
          <Members
            key={id}
            volume={name}
            heads={heads.join()}
            self={node.id}
            isAdmin={role === 'admin'}
          />
        ))}
      </div>
    </>
  )
}

function NoAdmin(): JSX.Element {
  return (
    <Card title={TEXT.invite.title}>
      <p>{TEXT.invite.noAdmin}</p>
    </Card>
  )
}
