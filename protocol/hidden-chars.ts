// Characters of text from others that do something where they are shown: controls, by which a
// terminal takes what follows for commands or begins a line (ECMA-48: C0, DEL and C1), and those
// that let text read in another order than it is stored in (UAX #9: embeddings, overrides,
// isolates).

/** Each of them, for String.replace(). */
export const HIDDEN_CHARS: RegExp = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** The same JSON, on one line, without any of them. */
export function escapeHidden(json: string): string {
  return json.replace(
    HIDDEN_CHARS,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
