// Sends JSON to a server that the owner of this machine has named.

export interface PostTarget {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** Post a JSON text. throws Error saying why it was not taken. */
export async function postJson(
  { url, headers }: PostTarget,
  body: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    // Elsewhere it would not be where its owner has said.
    redirect: 'error',
    signal,
  }).catch((error: unknown) => {
    const { cause, message } = error as Error
    throw new Error(cause instanceof Error ? cause.message : message, { cause: error })
  })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`it answered ${answer.status}`)
}
