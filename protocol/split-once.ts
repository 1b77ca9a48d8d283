// Text in two, at the first place where something stands; the second is empty where it does not.

export function splitOnce(text: string, by: string): [before: string, after: string] {
  const at = text.indexOf(by)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)]
}
