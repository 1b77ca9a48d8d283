// The calls that an account may make: each says what it needs, and where. What is not named needs
// the owner of the node. A path is brought into one form first, and the call is made with that, so
// that what was judged is what is done. An account acts within its volume.
import { byteText, textBytes } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { isGranted, leadsToGrant } from '../../protocol/accounts/grants.ts'
import type { Grant } from '../../protocol/accounts/grants.ts'
import { VERBS } from '../../protocol/accounts/verbs.ts'
import type { Verb } from '../../protocol/accounts/verbs.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { NodeApi } from '../control/api.ts'
import type { FileAttributes, FileStat } from '../control/files.ts'
import type { SnapshotInfo } from '../control/snapshots.ts'
import { ROUTES } from '../control/routes.ts'
import { canonicalPath } from '../volume/paths.ts'

/** Permission bits that make a program run as somebody else. */
const MODE_OTHERS = 0o6000

/** The rights of an account. */
export interface Limits {
  readonly login: string
  readonly volume: VolumeId
  /** The name of that volume on this node. */
  readonly volumeName: string
  /** Asked for each call, since they may be revoked meanwhile. throws ShoalError 'EACCES'. */
  readonly grants: () => readonly Grant[]
  /** The volume that a name, an id or none means. throws ShoalError 'no-such-volume'. */
  readonly volumeOf: (nameOrId: string | undefined) => VolumeId
}

type Calls = Pick<NodeApi, Reading | Writing | Past | 'settle'>

/** All other calls fail with ShoalError 'EPERM'. */
export function limitedApi(api: NodeApi, limits: Limits): NodeApi {
  return { ...ownersAlone(limits.login), ...allowedCalls(api, new Judge(limits)) }
}

function allowedCalls(api: NodeApi, judge: Judge): Calls {
  return {
    ...readingCalls(api, judge),
    ...writingCalls(api, judge),
    ...pastCalls(api, judge),
    settle: (ack, options) => {
      judge.checkAny()
      return api.settle(ack, options)
    },
  }
}

type Reading = 'stat' | 'list' | 'listPage' | 'readFile' | 'readSmallFiles' | 'readLog'

function readingCalls(api: NodeApi, judge: Judge): Pick<NodeApi, Reading> {
  return {
    // Whoever may do anything at a path may know that something is there.
    stat: async (path, options) => {
      const at = judge.place(path)
      if (!judge.leads(at) && !VERBS.some((verb) => judge.may(verb, at)))
        throw judge.refusal('read', at)
      return api.stat(at.text, options)
    },
    async *list(path, options) {
      const at = judge.place(path)
      for await (const page of api.list(judge.listed(at), options)) yield judge.shown(at, page)
    },
    listPage: async (path, options) => {
      const at = judge.place(path)
      // The way to a grant is that of today.
      if (options?.removed === true) judge.check('read', at)
      const { entries, ...rest } = await api.listPage(judge.listed(at), options)
      return { ...rest, entries: judge.shown(at, entries) }
    },
    readFile: async (path, options) => api.readFile(judge.at('read', path), options),
    async *readSmallFiles(paths, options) {
      const all = paths.map((path) => judge.at('read', path))
      yield* api.readSmallFiles(all, options)
    },
    // It tells the former names, too, of files that came from elsewhere.
    async *readLog(path, options) {
      judge.at('read', '/')
      for await (const page of api.readLog(judge.at('read', path), options)) {
        // It may go on for long, and what it was allowed by may be gone.
        judge.at('read', '/')
        yield page
      }
    },
  }
}

type Writing =
  'makeFolder' | 'remove' | 'move' | 'writeFile' | 'joinFiles' | 'makeSymlink' | 'setAttributes'

function writingCalls(api: NodeApi, judge: Judge): Pick<NodeApi, Writing> {
  return {
    makeFolder: async (path, options = {}) => {
      const at = judge.place(path)
      checkMode(options.mode)
      // Folders on the way to a grant may be missing yet.
      if (options.parents !== true || !judge.leads(at)) judge.check('add', at)
      return api.makeFolder(at.text, options)
    },
    remove: async (path, options) => api.remove(judge.at('write', path), options),
    move: async (from, to, options) =>
      api.move(judge.at('write', from), judge.at('write', to), options),
    writeFile: async (path, content, attributes, options = {}) => {
      const at = judge.place(path)
      checkMode(attributes?.mode)
      if (judge.may('write', at)) return api.writeFile(at.text, content, attributes, options)
      judge.check('add', at)
      if (options.ifTag !== undefined && options.ifTag !== '') throw judge.refusal('write', at)
      return api.writeFile(at.text, content, attributes, { ...options, ifTag: '' })
    },
    joinFiles: async (path, parts, attributes, options) => {
      checkMode(attributes?.mode)
      const sources = parts.map((part) => judge.at('read', part))
      return api.joinFiles(judge.at('write', path), sources, attributes, options)
    },
    makeSymlink: async (path, target, options) =>
      api.makeSymlink(judge.at('write', path), target, options),
    setAttributes: async (path, attributes, options) => {
      checkMode(attributes.mode)
      return api.setAttributes(judge.at('write', path), attributes, options)
    },
  }
}

type Past =
  | 'listConflicts'
  | 'showConflict'
  | 'keepConflict'
  | 'listVersions'
  | 'findVersion'
  | 'listRemoved'
  | 'undelete'
  | 'restore'
  | 'listSnapshots'
  | 'diffSnapshots'
  | 'clone'

function pastCalls(api: NodeApi, judge: Judge): Pick<NodeApi, Past> {
  return {
    async *listConflicts(path, options) {
      yield* api.listConflicts(judge.at('read', path), options)
    },
    // The sides of a conflict are beside one another.
    showConflict: async (path, options) => api.showConflict(judge.besides('read', path), options),
    keepConflict: async (path, options) => api.keepConflict(judge.besides('write', path), options),
    async *listVersions(path, options) {
      yield* api.listVersions(judge.at('read', path), options)
    },
    findVersion: async (path, options) => api.findVersion(judge.at('read', path), options),
    async *listRemoved(path, options) {
      yield* api.listRemoved(judge.at('read', path), options)
    },
    undelete: async (path, options = {}) => {
      const to = options.to === undefined ? undefined : judge.at('write', options.to)
      return api.undelete(judge.at('write', path), { ...options, to })
    },
    restore: async (path, options = {}) => {
      const from = judge.at(options.to === undefined ? 'write' : 'read', path)
      const to = options.to === undefined ? undefined : judge.at('write', options.to)
      return api.restore(from, { ...options, to })
    },
    listSnapshots: async (options = {}) => {
      judge.checkVolume(options.volume)
      const all = await api.listSnapshots({ ...options, volume: judge.volume, space: false })
      return judge.seen(all)
    },
    async *diffSnapshots(path, options) {
      judge.at('read', '/')
      yield* api.diffSnapshots(judge.at('read', path), options)
    },
    async *clone(path, to, options) {
      yield* api.clone(judge.at('read', path), judge.at('write', to), options)
    },
  }
}

/** A path in its one form. */
interface Place {
  /** From '/'. */
  readonly path: string
  /** With its volume, as calls take it. */
  readonly text: string
}

class Judge {
  readonly #limits: Limits

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get volume(): VolumeId {
    return this.#limits.volume
  }

  /** throws ShoalError 'EPERM' for another volume, 'usage' for no path. */
  place(text: string): Place {
    const { volume, path } = canonicalPath(text)
    this.checkVolume(volume)
    return { path, text: `${this.#limits.volumeName}:${path}` }
  }

  /** Without a name it is the own one. */
  checkVolume(nameOrId: string | undefined): void {
    if (nameOrId === undefined) return
    const { volumeOf, volume, login, volumeName } = this.#limits
    if (volumeOf(nameOrId) === volume) return
    throw new ShoalError('EPERM', `${login} is an account of the volume ${volumeName} alone`)
  }

  may(verb: Verb, { path }: Place): boolean {
    return isGranted(this.#limits.grants(), verb, path)
  }

  /** Is it a folder on the way to what is granted? */
  leads({ path }: Place): boolean {
    return leadsToGrant(this.#limits.grants(), path)
  }

  check(verb: Verb, at: Place): void {
    if (!this.may(verb, at)) throw this.refusal(verb, at)
  }

  checkAny(): void {
    this.#limits.grants()
  }

  /** The path as calls take it. */
  at(verb: Verb, text: string): string {
    const at = this.place(text)
    this.check(verb, at)
    return at.text
  }

  /** The same of what is about all that is in one folder with it. */
  besides(verb: Verb, text: string): string {
    const at = this.place(text)
    const folder = at.path.slice(0, at.path.lastIndexOf('/')) || '/'
    this.check(verb, { ...at, path: folder })
    return at.text
  }

  /** A folder that may be listed, as calls take it. */
  listed(at: Place): string {
    if (!this.leads(at)) this.check('read', at)
    return at.text
  }

  /** The entries of a folder that are granted, or lead there. */
  shown(folder: Place, entries: readonly FileStat[]): readonly FileStat[] {
    const grants = this.#limits.grants()
    if (isGranted(grants, 'read', folder.path)) return entries
    const base = folder.path === '/' ? '' : folder.path
    return entries.filter(({ name }) => isSeen(grants, `${base}/${byteText(textBytes(name))}`))
  }

  /** Those of snapshots that are of something that may be seen. */
  seen(snapshots: readonly SnapshotInfo[]): readonly SnapshotInfo[] {
    const grants = this.#limits.grants()
    return snapshots.filter(({ path }) => path !== undefined && isSeen(grants, path))
  }

  refusal(verb: Verb, { path }: Place): ShoalError {
    return new ShoalError('EPERM', `${this.#limits.login} may not ${verb} at ${path}`)
  }
}

/** Is it granted to read, or on the way to a grant? */
function isSeen(grants: readonly Grant[], path: string): boolean {
  return isGranted(grants, 'read', path) || leadsToGrant(grants, path)
}

function checkMode(mode: FileAttributes['mode']): void {
  if (mode !== undefined && (mode & MODE_OTHERS) !== 0)
    throw new ShoalError('EPERM', 'only the owner of the node makes set-user-id and set-group-id')
}

/** Every call there is, refused in the way in which it answers. */
function ownersAlone(login: string): NodeApi {
  const refused = (name: string): ShoalError =>
    new ShoalError('EPERM', `${login} may not ask for ${name}: it is for the owner of the node`)
  const calls = Object.entries(ROUTES).map(([name, { answer }]) => {
    const isOne = answer === 'json' || answer === 'file'
    const one = (): Promise<never> => Promise.reject(refused(name))
    return [name, isOne ? one : () => failing(refused(name))]
  })
  // The table of routes has each call of it.
  return Object.fromEntries(calls) as unknown as NodeApi
}

// eslint-disable-next-line require-yield -- it fails before there is something
async function* failing(error: ShoalError): AsyncGenerator<never> {
  throw error
}
