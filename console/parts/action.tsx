// A button that does something which takes a while: it cannot be pressed twice meanwhile, and tells
// of a failure.
import { useState } from 'preact/hooks'
import { tellFailure } from './notices.tsx'
import type { ComponentChildren, JSX } from 'preact'

export interface ActionProps {
  readonly run: () => Promise<unknown>
  readonly children: ComponentChildren
  readonly kind?: 'main' | 'danger' | 'plain' | undefined
  /** For a screen reader, where the text alone does not say what it is about. */
  readonly label?: string | undefined
  readonly disabled?: boolean
}

export function Action({ run, children, kind, label, disabled = false }: ActionProps): JSX.Element {
  const [isRunning, setRunning] = useState(false)
  const start = (): void => {
    setRunning(true)
    void run()
      .catch(tellFailure)
      .finally(() => setRunning(false))
  }
  return (
    <button
      type="button"
      class={kind}
      aria-label={label}
      disabled={disabled || isRunning}
      onClick={start}
    >
      {children}
    </button>
  )
}
