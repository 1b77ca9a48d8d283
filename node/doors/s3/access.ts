// Access as S3 has it, which here says little: one owner of all may do all, and what others may do
// is said of accounts. What would give more to somebody is refused, lest somebody takes it to hold,
// unless the door is to take it and let it give nothing, for programs that set it unasked.
import { sendNothing } from '../web-answers.ts'
import { textIn } from '../xml/xml.ts'
import type { XmlElement } from '../xml/xml.ts'
import { changeSettings, settingOf } from './bucket-settings.ts'
import { payloadOf } from './payload.ts'
import { S3Error, accessDenied, invalid, notImplemented } from './s3-error.ts'
import { childText, childrenNamed, element, headerOf, sendXml, xmlBody } from './s3-request.ts'
import type { S3Request } from './s3-request.ts'

/** One owner of all: rights are those of the account that asks. */
export const OWNER: string = '<Owner><ID>shoal</ID><DisplayName>shoal</DisplayName></Owner>'
const OWNER_ID = 'shoal'
const FULL = 'FULL_CONTROL'
/** Access that the owner of a bucket has anyway. */
const OWN_ACLS: ReadonlySet<string> = new Set([
  'private',
  'bucket-owner-full-control',
  'bucket-owner-read',
])
const PUBLIC_ACLS: ReadonlySet<string> = new Set([
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'log-delivery-write',
])
const ENFORCED = 'BucketOwnerEnforced'
const BLOCKS = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
] as const
const NO_BLOCKS = '0000'
const REMOVED = 'none'

/** All that is granted is said by accounts: in its words, the owner may do all. */
export function sendAcl(asked: S3Request): void {
  const grantee =
    '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">' +
    `<ID>${OWNER_ID}</ID><DisplayName>${OWNER_ID}</DisplayName></Grantee>`
  sendXml(
    asked,
    'AccessControlPolicy',
    `${OWNER}<AccessControlList><Grant>${grantee}<Permission>${FULL}</Permission></Grant></AccessControlList>`,
  )
}

/** Takes an access that the owner has anyway. throws S3Error. */
export async function putAcl(asked: S3Request): Promise<void> {
  if (headerOf(asked, 'x-amz-acl') === undefined) {
    const root = await xmlBody(payloadOf(asked).parts, 'AccessControlPolicy')
    const [list] = childrenNamed(root, 'AccessControlList')
    const grants = list === undefined ? [] : childrenNamed(list, 'Grant')
    const isIgnored = asked.place.acls === 'ignore'
    for (const grant of grants) checkGrant(grant, isIgnored)
    if (grants.length !== 1 && !isIgnored) throw noLists()
  }
  sendNothing(asked.response, 200)
}

function checkGrant(grant: XmlElement, isIgnored: boolean): void {
  const [grantee] = childrenNamed(grant, 'Grantee')
  if (grantee === undefined) throw new S3Error('MalformedXML', 400, 'a grant has a grantee')
  if (childText(grantee, 'EmailAddress') !== undefined)
    throw invalid('nobody has this address', 'UnresolvableGrantByEmailAddress')
  const isGroup = childText(grantee, 'URI') !== undefined
  if (!isGroup && childText(grantee, 'ID') !== OWNER_ID) throw invalid('nobody has this id')
  if (!isIgnored && (isGroup || childText(grant, 'Permission') !== FULL)) throw noLists()
}

/** Does a request ask for access that others would have by it? */
export function givesAccess(asked: Pick<S3Request, 'headers'>): boolean {
  const acl = headerOf(asked, 'x-amz-acl')
  return (acl !== undefined && !OWN_ACLS.has(acl)) || grantsIn(asked).length > 0
}

function grantsIn({ headers }: Pick<S3Request, 'headers'>): readonly string[] {
  return Object.keys(headers).filter((name) => name.startsWith('x-amz-grant-'))
}

/** throws S3Error for such access. */
export function refuseAccess(asked: Pick<S3Request, 'headers' | 'place'>): void {
  const acl = headerOf(asked, 'x-amz-acl')
  if (acl !== undefined && !OWN_ACLS.has(acl) && !PUBLIC_ACLS.has(acl))
    throw invalid('x-amz-acl is none')
  if (givesAccess(asked) && asked.place.acls === 'refuse') throw noLists()
  const ownership = headerOf(asked, 'x-amz-object-ownership') ?? ENFORCED
  if (ownership !== ENFORCED) throw notImplemented(`ownership like ${ownership}`)
}

/** throws S3Error 403 where a bucket says that none may be public. */
export async function checkBlock(asked: S3Request): Promise<void> {
  if (!PUBLIC_ACLS.has(headerOf(asked, 'x-amz-acl') ?? '')) return
  const isNewBucket = asked.key === '' && !asked.query.has('acl')
  if (isNewBucket) return
  if ((await blocksOf(asked))?.startsWith('1') === true)
    throw accessDenied('BlockPublicAcls is set for this bucket')
}

function noLists(): S3Error {
  return invalid('access is that of accounts: see "shoal grant"', 'AccessControlListNotSupported')
}

/** A digit for each of BLOCKS; undefined: it was taken away. */
async function blocksOf(asked: S3Request): Promise<string | undefined> {
  const text = (await settingOf(asked, 'public-block')) ?? NO_BLOCKS
  if (text === REMOVED) return undefined
  return /^[01]{4}$/.test(text) ? text : NO_BLOCKS
}

/** It is kept and told: nothing is public anyway. */
export async function getPublicBlock(asked: S3Request): Promise<void> {
  const blocks = await blocksOf(asked)
  if (blocks === undefined)
    throw new S3Error('NoSuchPublicAccessBlockConfiguration', 404, 'it was taken away')
  const text = BLOCKS.map((name, at) => element(name, blocks[at] === '1' ? 'true' : 'false'))
  sendXml(asked, 'PublicAccessBlockConfiguration', text.join(''))
}

export async function putPublicBlock(asked: S3Request): Promise<void> {
  const root = await xmlBody(payloadOf(asked).parts, 'PublicAccessBlockConfiguration')
  const blocks = BLOCKS.map((name) => (childText(root, name)?.toLowerCase() === 'true' ? '1' : '0'))
  await changeSettings(asked, { 'public-block': blocks.join('') })
  sendNothing(asked.response, 200)
}

export async function deletePublicBlock(asked: S3Request): Promise<void> {
  await changeSettings(asked, { 'public-block': REMOVED })
  sendNothing(asked.response, 204)
}

export async function getOwnership(asked: S3Request): Promise<void> {
  if ((await settingOf(asked, 'ownership')) !== ENFORCED)
    throw new S3Error('OwnershipControlsNotFoundError', 404, 'none was set')
  sendXml(asked, 'OwnershipControls', `<Rule>${element('ObjectOwnership', ENFORCED)}</Rule>`)
}

/** The one kind that there is: all is the owner's. */
export async function putOwnership(asked: S3Request): Promise<void> {
  const root = await xmlBody(payloadOf(asked).parts, 'OwnershipControls')
  const [rule, ...more] = childrenNamed(root, 'Rule')
  const [kind] = rule === undefined ? [] : childrenNamed(rule, 'ObjectOwnership')
  if (kind === undefined || more.length > 0)
    throw new S3Error('MalformedXML', 400, 'there is one rule')
  if (textIn(kind) !== ENFORCED) throw notImplemented(`ownership like ${textIn(kind)}`)
  await changeSettings(asked, { ownership: ENFORCED })
  sendNothing(asked.response, 200)
}

export async function deleteOwnership(asked: S3Request): Promise<void> {
  await changeSettings(asked, { ownership: null })
  sendNothing(asked.response, 204)
}
