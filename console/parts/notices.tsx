// Words about what was just done, for eyes and for screen readers; failures stay until closed.
import { useEffect, useState } from 'preact/hooks'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'

interface Notice {
  readonly id: number
  readonly kind: 'done' | 'failed'
  readonly text: string
  /** Something that takes it back. */
  readonly undo?: { readonly label: string; readonly run: () => void } | undefined
}

const SHOWN_MS = 12_000
const SHOWN_MAX = 5

let last = 0
let show = (_notice: Notice): void => {}

/** Say that something was done, and how to undo it where that can be. */
export function tell(text: string, undo?: Notice['undo']): void {
  show({ id: ++last, kind: 'done', text, undo })
}

/** Say that something failed. */
export function tellFailure(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error)
  show({ id: ++last, kind: 'failed', text: `${TEXT.error}: ${text}` })
}

export function Notices(): JSX.Element {
  const [notices, setNotices] = useState<readonly Notice[]>([])
  const close = (id: number): void => setNotices((before) => before.filter((one) => one.id !== id))
  useEffect(() => {
    show = (notice) => {
      setNotices((before) => [...before, notice].slice(-SHOWN_MAX))
      if (notice.kind === 'done') setTimeout(() => close(notice.id), SHOWN_MS)
    }
    return () => {
      show = () => {}
    }
  }, [])
  return (
    <div class="notices" role="log" aria-live="polite">
      {notices.map(({ id, kind, text, undo }) => (
        <p key={id} class={`notice ${kind}`}>
          <span>{text}</span>
          {undo !== undefined && (
            <button
              type="button"
              onClick={() => {
                close(id)
                undo.run()
              }}
            >
              {undo.label}
            </button>
          )}
          <button type="button" class="plain" aria-label={TEXT.close} onClick={() => close(id)}>
            ×
          </button>
        </p>
      ))}
    </div>
  )
}
