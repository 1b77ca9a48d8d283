// A dialog before the page: the browser keeps the focus in it, and Escape closes it.
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { TEXT } from '../texts.ts'
import type { ComponentChildren, JSX } from 'preact'

export interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

export function Dialog({ title, onClose, children }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const opener = document.activeElement
    dialog.current?.showModal()
    return () => {
      if (opener instanceof HTMLElement) opener.focus()
    }
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <div class="card-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="plain" aria-label={TEXT.close} onClick={onClose}>
          ×
        </button>
      </div>
      {children}
    </dialog>
  )
}

export interface AskProps {
  readonly title: string
  /** The label of the field; without one there is nothing to type. */
  readonly label?: string
  readonly text?: string
  readonly initial?: string
  readonly button: string
  readonly isDanger?: boolean
  readonly onClose: () => void
  /** A failure is shown in the dialog, which stays. */
  readonly onAnswer: (answer: string) => Promise<unknown>
}

/** Asks for a line of text, or only whether to go on. */
export function Ask({ title, label, text, initial = '', button, ...more }: AskProps): JSX.Element {
  const { isDanger = false, onClose, onAnswer } = more
  const [answer, setAnswer] = useState(initial)
  const [failure, setFailure] = useState<string>()
  const [isRunning, setRunning] = useState(false)
  const submit = (event: Event): void => {
    event.preventDefault()
    setRunning(true)
    setFailure(undefined)
    void onAnswer(answer).then(onClose, (error: Error) => {
      setFailure(error.message)
      setRunning(false)
    })
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {text !== undefined && <p>{text}</p>}
        {label !== undefined && (
          <label class="field">
            {label}
            <input
              value={answer}
              required
              spellcheck={false}
              autocomplete="off"
              onInput={({ currentTarget }) => setAnswer(currentTarget.value)}
            />
          </label>
        )}
        {failure !== undefined && (
          <p role="alert" class="bad">
            {failure}
          </p>
        )}
        <p class="row">
          <button type="submit" class={isDanger ? 'danger' : 'main'} disabled={isRunning}>
            {button}
          </button>
          <button type="button" onClick={onClose}>
            {TEXT.cancel}
          </button>
        </p>
      </form>
    </Dialog>
  )
}
