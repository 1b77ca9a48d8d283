// Gets files and folders to the disk of this machine: a file as it is, a folder as an archive.
import { call, client } from '../client.ts'
import { fileUrl, inside, nameOf, pathText } from './place.ts'
import { Zip } from './zip.ts'
import type { Place } from './place.ts'

/** The browser keeps what it saves until it was read. */
const KEPT_MS = 60_000

/** version: a former one, by its id. */
export async function downloadFile(place: Place, version?: string): Promise<void> {
  save(await contentOf(place, version), nameOf(place))
}

/** onFile: is told how many files are in it so far. */
export async function downloadFolder(place: Place, onFile: (done: number) => void): Promise<void> {
  const zip = new Zip()
  let done = 0
  const add = async (folder: Place, above: string): Promise<void> => {
    for (let after: string | undefined; ;) {
      const page = await call('listPage', { path: pathText(folder), after })
      for (const { name, kind } of page.entries) {
        const one = inside(folder, name)
        if (kind === 'folder') {
          await zip.add(`${above}${name}/`, new Blob([]))
          await add(one, `${above}${name}/`)
        } else if (kind === 'file') {
          await zip.add(above + name, await contentOf(one))
          onFile(++done)
        }
      }
      after = page.next
      if (after === undefined) return
    }
  }
  await add(place, `${nameOf(place)}/`)
  save(zip.end(), `${nameOf(place)}.zip`)
}

async function contentOf(place: Place, version?: string): Promise<Blob> {
  const query = version === undefined ? '' : `?version=${encodeURIComponent(version)}`
  return (await client.request(fileUrl(place) + query)).blob()
}

function save(content: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS)
}
