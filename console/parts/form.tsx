// Fields of forms, each with its label and, where a choice needs one, its explanation.
import { useId } from 'preact/hooks'
import type { ComponentChildren, JSX } from 'preact'

interface FieldProps {
  readonly label: string
  readonly value: string
  readonly onValue: (value: string) => void
  /** Says what the choice means, below it. */
  readonly hint?: ComponentChildren
}

export function Text({
  label,
  value,
  onValue,
  hint,
  required = false,
  placeholder = '',
  isNumber = false,
}: FieldProps & {
  readonly required?: boolean
  readonly placeholder?: string
  readonly isNumber?: boolean
}): JSX.Element {
  const id = useId()
  return (
    <label class="field">
      {label}
      <input
        {...{ required, placeholder }}
        inputMode={isNumber ? 'numeric' : 'text'}
        value={value}
        spellcheck={false}
        autocomplete="off"
        aria-describedby={hint === undefined ? undefined : id}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
      />
      {hint !== undefined && (
        <span id={id} class="small">
          {hint}
        </span>
      )}
    </label>
  )
}

export function Choice({
  label,
  value,
  onValue,
  hint,
  options,
}: FieldProps & {
  readonly options: readonly { readonly value: string; readonly text: string }[]
}): JSX.Element {
  const id = useId()
  return (
    <label class="field">
      {label}
      <select
        value={value}
        aria-describedby={hint === undefined ? undefined : id}
        onChange={({ currentTarget }) => onValue(currentTarget.value)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
      {hint !== undefined && (
        <span id={id} class="small">
          {hint}
        </span>
      )}
    </label>
  )
}

/** Fields and a button; what fails is told as a notice by whoever submits. */
export function Form({
  onSubmit,
  children,
}: {
  readonly onSubmit: () => void
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault()
        onSubmit()
      }}
    >
      {children}
    </form>
  )
}
