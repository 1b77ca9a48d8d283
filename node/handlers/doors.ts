// The owner's calls about doors.
import type { DoorsApi } from '../control/doors.ts'
import type { NodeParts } from './parts.ts'

export function doorsApi({ doors }: NodeParts): DoorsApi {
  return {
    openConsole: () => doors.openConsole(),
    listDoors: () => Promise.resolve(doors.list()),
    doorToken: async ({ renew = false } = {}) => ({
      token: await (renew ? doors.token.renew() : doors.token.current()),
    }),
  }
}
