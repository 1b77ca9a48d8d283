// One cold tier: where it is, what lies there, what is due, and when it was read back.
import { bytes, count, shown, time } from '../format.ts'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { TierStatus } from '../../node/control/cold.ts'
import type { Wire } from '../wire.ts'

export function TierLine({ tier }: { readonly tier: Wire<TierStatus> }): JSX.Element {
  const words = TEXT.cold
  const { name, url, stripes, only, bytes: size, moving, verified, failure } = tier
  const due = moving === undefined ? undefined : moving.totalBytes - moving.doneBytes
  return (
    <>
      <p>
        <strong>{shown(name)}</strong> <span class="quiet">{shown(url)}</span>
      </p>
      <p>
        {words.holds(count(stripes, 'part'), size === undefined ? undefined : bytes(size))}
        {only > 0 && ` ${words.only(count(only, 'part'))}`}
      </p>
      <p class="quiet">
        {due === undefined || due === 0 ? words.nothingDue : words.due(bytes(due))}{' '}
        {verified === undefined ? words.neverVerified : words.verified(time(verified.atMs))}
      </p>
      {verified !== undefined && verified.problems > 0 && (
        <p class="bad">{words.problems(verified.problems)}</p>
      )}
      {failure !== undefined && <p class="bad">{shown(failure.message)}</p>}
    </>
  )
}
