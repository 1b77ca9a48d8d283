// Values of others in commands that people are told to run.
import { shownText } from './byte-text.ts'

/** A path as a shell takes it, where it is one of people's: printable, and quoted if need be. */
export function shellWord(text: string): string {
  const shown = shownText(text)
  return /^[\w/:.,@%+=-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`
}
