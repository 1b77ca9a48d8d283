// Cookies of a request, as browsers send them.
import type { IncomingMessage } from 'node:http'

export function cookieIn(
  { headers: { cookie = '' } }: IncomingMessage,
  name: string,
): string | undefined {
  const begins = `${name}=`
  return cookie
    .split('; ')
    .find((one) => one.startsWith(begins))
    ?.slice(begins.length)
}
