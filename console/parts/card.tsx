// A titled part of a page.
import { useId } from 'preact/hooks'
import type { ComponentChildren, JSX } from 'preact'

export interface CardProps {
  readonly title: string
  readonly children: ComponentChildren
  /** Takes the whole width of the page. */
  readonly wide?: boolean
  readonly actions?: ComponentChildren
}

export function Card({ title, children, wide = false, actions }: CardProps): JSX.Element {
  const id = useId()
  return (
    <section class={wide ? 'card wide' : 'card'} aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id}>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  )
}
