// The owner's calls about accounts.
import { utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { isAccountName, isKeyLabel } from '../../protocol/accounts/record.ts'
import { VERBS } from '../../protocol/accounts/verbs.ts'
import type { Account } from '../../protocol/accounts/accounts.ts'
import type { Grant } from '../../protocol/accounts/grants.ts'
import type { Verb } from '../../protocol/accounts/verbs.ts'
import type { AccountInfo, AccountsApi, NewUser } from '../control/accounts.ts'
import type { NamedVolume } from '../log/volumes.ts'
import { canonicalPath } from '../volume/paths.ts'
import { findMember } from './find-peer.ts'
import type { NodeParts } from './parts.ts'

export function accountsApi(parts: NodeParts): AccountsApi {
  const { accounts, volumes } = parts
  return {
    listAccounts: ({ volume } = {}) => {
      const all = volume === undefined ? volumes.all() : [volumes.find(volume)]
      const infos = all.flatMap((named) =>
        [...accounts.of(named.volume).all().values()].map((one) => describe(parts, named, one)),
      )
      return Promise.resolve(infos.sort((a, b) => (a.login < b.login ? -1 : 1)))
    },
    ...makingCalls(parts),
    ...changingCalls(parts),
  }
}

function makingCalls(parts: NodeParts): Pick<AccountsApi, 'addUser' | 'addGroup' | 'createKey'> {
  const { accounts, world } = parts
  return {
    async addUser(name, password, { volume, on, groups = [], ...granted } = {}) {
      checkName(name)
      const named = forChange(parts, volume)
      const bytes = await accounts.passwords.verifierOf(password, world.random)
      await accounts.of(named.volume).add({
        name,
        record: { kind: 'user', groups },
        grants: grantsIn(parts, named, granted),
        secret: { bytes, on: machines(named, on) },
      })
      return info(parts, named, name)
    },

    async addGroup(name, { volume } = {}) {
      checkName(name)
      const named = forChange(parts, volume)
      const record = { kind: 'group', groups: [] } as const
      await accounts.of(named.volume).add({ name, record, grants: [] })
      return info(parts, named, name)
    },

    async createKey(label, { volume, on, groups = [], door, expiresMs, ...granted } = {}) {
      if (!isKeyLabel(label))
        throw new ShoalError('usage', `"${label}": a key is called by letters, digits, "-" and "_"`)
      const named = forChange(parts, volume)
      const { id, secret } = accounts.newKey(named.volume)
      const optional = {
        ...(door !== undefined && { door }),
        ...(expiresMs !== undefined && { expiresMs }),
      }
      await accounts.of(named.volume).add({
        name: id,
        record: { kind: 'key', groups, label, ...optional },
        grants: grantsIn(parts, named, granted),
        secret: { bytes: utf8(secret), on: machines(named, on) },
      })
      return { account: info(parts, named, id), secret }
    },
  }
}

type Changing = 'removeAccount' | 'setPassword' | 'setGroups' | 'setProvider' | 'setGrant'

function changingCalls(parts: NodeParts): Pick<AccountsApi, Changing> {
  const { accounts, world } = parts
  return {
    async removeAccount(name, { volume } = {}) {
      await accounts.of(forChange(parts, volume).volume).remove(name)
    },

    async setPassword(name, password, { volume, on } = {}) {
      const named = forChange(parts, volume)
      const ofVolume = accounts.of(named.volume)
      const { record, secrets } = ofVolume.find(name)
      if (record.kind !== 'user')
        throw new ShoalError('usage', `${name} is a ${record.kind}: only users have passwords`)
      const bytes = await accounts.passwords.verifierOf(password, world.random)
      const now = [...secrets.keys()].filter((peer) => named.volume.membership.member(peer))
      const stays = on === undefined && now.length > 0
      await ofVolume.setSecret(name, { bytes, on: stays ? now : machines(named, on) })
      return info(parts, named, name)
    },

    async setGroups(name, groups, { volume } = {}) {
      const named = forChange(parts, volume)
      await accounts.of(named.volume).setGroups(name, groups)
      return info(parts, named, name)
    },

    async setProvider(name, { url, value = name, volume, on } = {}) {
      const named = forChange(parts, volume)
      const provider = url === undefined ? undefined : { url, value, on: machines(named, on) }
      await accounts.of(named.volume).setProvider(name, provider)
      return info(parts, named, name)
    },

    async setGrant(name, path, verbs) {
      const at = canonicalPath(path)
      const named = forChange(parts, at.volume)
      await accounts.of(named.volume).grant(name, at.path, inOrder(verbs))
      return info(parts, named, name)
    },
  }
}

/** throws ShoalError 'EPERM' unless this node is an admin of it. */
function forChange({ volumes }: NodeParts, volume: string | undefined): NamedVolume {
  const named = volumes.find(volume)
  volumes.checkAdmin(named.volume)
  return named
}

function info(parts: NodeParts, named: NamedVolume, name: string): AccountInfo {
  return describe(parts, named, parts.accounts.of(named.volume).find(name))
}

function machines(named: NamedVolume, on: readonly string[] | undefined): PeerId[] {
  return on?.map((text) => findMember(text, named).peer) ?? [named.volume.identity.peer]
}

function checkName(name: string): void {
  if (isAccountName(name)) return
  throw new ShoalError(
    'usage',
    `"${name}" cannot be an account: use small letters, digits, ".", "-" and "_"; not "owner"`,
  )
}

function grantsIn(
  { volumes }: NodeParts,
  named: NamedVolume,
  { path, verbs = VERBS }: Pick<NewUser, 'path' | 'verbs'>,
): readonly Grant[] {
  if (path === undefined) return []
  const { volume, path: whole } = canonicalPath(path)
  if (volume !== undefined && volumes.find(volume).volume !== named.volume)
    throw new ShoalError('usage', `${path} is not in the volume ${named.name}`)
  return [{ path: whole, verbs: inOrder(verbs) }]
}

function inOrder(verbs: readonly Verb[]): Verb[] {
  return VERBS.filter((verb) => verbs.includes(verb))
}

function describe(
  { accounts }: NodeParts,
  { name: volumeName, volume }: NamedVolume,
  account: Account,
): AccountInfo {
  const { name, record, grants, secrets, provider } = account
  const nameOf = (peer: PeerId): string => volume.membership.nameOf(peer)
  const { kind, groups, label, door, expiresMs } = record
  return {
    volume: volumeName,
    login: kind === 'key' ? name : `${name}@${volumeName}`,
    name,
    kind,
    label,
    door,
    expiresMs,
    groups,
    grants,
    on: Array.from(secrets.keys(), nameOf),
    provider: provider && { ...provider, on: provider.on.map(nameOf) },
    closed: kind === 'group' ? undefined : accounts.whyClosed(volume, account),
  }
}
