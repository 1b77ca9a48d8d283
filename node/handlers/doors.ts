// The owner's calls about doors.
import type { DoorsApi } from '../control/doors.ts'
import type { NodeParts } from './parts.ts'

export function doorsApi({ doors, until }: NodeParts): DoorsApi {
  return {
    openConsole: () => doors.openConsole(),
    listDoors: () => Promise.resolve(doors.list()),
    addDoor: (door) => doors.add(door),
    removeDoor: (door) => doors.remove(door),
    startDoors: ({ door } = {}) => doors.open(door),
    stopDoor: (door) => doors.close(door),
    doorToken: async ({ renew = false } = {}) => ({
      token: await (renew ? doors.token.renew() : doors.token.current()),
    }),
    readDoorLog: ({ signal, ...options } = {}) =>
      doors.readLog({ ...options, signal: until(signal) }),
    checkDoorLog: async () => {
      const { first, last, problems } = await doors.checkLog()
      return { first, last: last?.number, problems }
    },
  }
}
