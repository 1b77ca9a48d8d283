// The page of who is not signed in: people come in by an account of theirs, the owner of the node
// by a link that it prints.
import { useState } from 'preact/hooks'
import { askProvider, goToProvider, signIn } from './client.ts'
import { shown } from './format.ts'
import { useLoaded } from './live.ts'
import { Form } from './parts/form.tsx'
import { TEXT } from './texts.ts'
import type { JSX } from 'preact'

export interface SignInProps {
  /** Says why it failed before. */
  readonly failure: string | undefined
  readonly onIn: () => void
  readonly onFailure: (error: Error) => void
}

export function SignIn({ failure, onIn, onFailure }: SignInProps): JSX.Element {
  const words = TEXT.signIn
  return (
    <main class="alone">
      <h1>{words.title}</h1>
      {failure !== undefined && (
        <p role="alert" class="bad">
          {words.failed}: {failure}
        </p>
      )}
      <ByProvider onFailure={onFailure} />
      <ByPassword onIn={onIn} onFailure={onFailure} />
      <h2>{words.asOwner}</h2>
      <p>{words.explain}</p>
      <pre>{words.command}</pre>
      <p class="quiet">{words.orNpm}</p>
    </main>
  )
}

function ByProvider({ onFailure }: Pick<SignInProps, 'onFailure'>): JSX.Element | null {
  // Without it there is the rest of the page.
  const { value: name } = useLoaded(askProvider, [])
  if (name === undefined) return null
  return (
    <p>
      <button type="button" onClick={() => void goToProvider().catch(onFailure)}>
        {TEXT.signIn.byProvider(shown(name))}
      </button>
    </p>
  )
}

function ByPassword({ onIn, onFailure }: Omit<SignInProps, 'failure'>): JSX.Element {
  const words = TEXT.signIn
  const [login, setLogin] = useState('')
  const [password, setPassword] = useState('')
  const [isAsked, setAsked] = useState(false)
  const submit = (): void => {
    setAsked(true)
    setPassword('')
    void signIn(login.trim(), password)
      .then(onIn, onFailure)
      .finally(() => setAsked(false))
  }
  return (
    <Form onSubmit={submit}>
      <label class="field">
        {words.login}
        <input
          required
          value={login}
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          aria-describedby="login-hint"
          onInput={({ currentTarget }) => setLogin(currentTarget.value)}
        />
        <span id="login-hint" class="small">
          {words.loginHint}
        </span>
      </label>
      <label class="field">
        {words.password}
        <input
          required
          type="password"
          value={password}
          autocomplete="current-password"
          onInput={({ currentTarget }) => setPassword(currentTarget.value)}
        />
      </label>
      <button type="submit" disabled={isAsked}>
        {words.enter}
      </button>
    </Form>
  )
}
