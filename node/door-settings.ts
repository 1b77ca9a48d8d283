// The doors of a home in its config.yaml, read and changed while the node runs.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isSeq, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { ShoalError } from '../protocol/errors.ts'
import { DOORS_MAX, readConfig } from './config.ts'
import { doorSchema } from './door-config.ts'
import type { DoorConfig } from './door-config.ts'
import type { NewDoor } from './control/doors.ts'
import { CONFIG_FILE } from './world/home-files.ts'
import { writeDurably } from './world/write-durably.ts'

/** The seam by which a node reads and changes them. */
export interface DoorSettings {
  /** As config.yaml says now. throws ShoalError 'ENOENT', 'malformed' naming file and key. */
  read(): Promise<DoorsConfig>
  /** throws as read; 'usage' where there are too many. */
  add(door: NewDoor): Promise<void>
  /** One that is not there is no error. throws as read. */
  remove(door: DoorConfig): Promise<void>
}

export interface DoorsConfig {
  readonly doors: readonly DoorConfig[]
  /** Requests a second of one account; undefined: the default. */
  readonly requestRate?: number | undefined
}

/** The doors of config.yaml in this folder; comments there are kept. */
export function doorSettingsOf(folder: string): DoorSettings {
  const file = join(folder, CONFIG_FILE)
  const change = async (edit: (document: Document) => void): Promise<void> => {
    const document = parseDocument(await readFile(file, 'utf8'))
    edit(document)
    await writeDurably(file, document.toString())
  }
  return {
    read: async () => {
      const { doors, requestRate } = await readConfig(folder)
      return { doors, requestRate }
    },
    add: async (door) => {
      const { doors } = await readConfig(folder)
      if (doors.length >= DOORS_MAX)
        throw new ShoalError('usage', `${file} has ${doors.length} doors, the most there may be`)
      await change((document) => {
        const made = entryOf(door)
        if (isSeq(document.get('doors'))) document.addIn(['doors'], document.createNode(made))
        else document.set('doors', document.createNode([made]))
      })
    },
    remove: async (door) => {
      const { doors } = await readConfig(folder)
      const index = doors.findIndex((one) => isDeepStrictEqual(one, door))
      if (index >= 0) await change((document) => document.deleteIn(['doors', index]))
    },
  }
}

/** throws ShoalError 'usage' saying what is wrong with it. */
export function parseNewDoor(door: NewDoor): DoorConfig {
  const { cert, key, isSelfSigned = false } = door
  if ((cert === undefined) !== (key === undefined) || (isSelfSigned && cert !== undefined))
    throw new ShoalError('usage', 'TLS is by a certificate with its key, or by a self-signed one')
  const parsed = doorSchema.safeParse(entryOf(door))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys')
    throw new ShoalError('usage', `a door of ${door.kind} has no "${issue.keys[0]}"`)
  throw new ShoalError('usage', `the address of the door ${issue?.message}`)
}

/** As it is in the list `doors` of config.yaml. */
function entryOf({ kind, isSelfSigned, cert, key, ...rest }: NewDoor): object {
  const tls = isSelfSigned === true ? 'self-signed' : cert && { cert, key }
  const all = Object.entries({ ...rest, tls })
  return { [kind]: Object.fromEntries(all.filter(([, value]) => value !== undefined)) }
}
