// Access control lists by hand: the bytes that acl(5) programs hand to the kernel, and their text
// as getfacl(1) has it.
export const ACCESS = 'system.posix_acl_access'
export const DEFAULT = 'system.posix_acl_default'
const VERSION = 2
const TAGS = { u: 0x01, user: 0x02, g: 0x04, group: 0x08, m: 0x10, o: 0x20 } as const
const NAMED: ReadonlySet<string> = new Set(['user', 'group'])
const NO_ID = 0xffff_ffff

/** Parses "u:rwx user:1000:r-x g:r-x m:rwx o:---". */
export function aclOf(text: string): Buffer {
  const entries = text.split(' ').map((entry) => {
    const parts = entry.split(':')
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(TAGS[parts[0] as keyof typeof TAGS], 0)
    bytes.writeUInt16LE(bitsOf(parts.at(-1) ?? ''), 2)
    bytes.writeUInt32LE(NAMED.has(parts[0] ?? '') ? Number(parts[1]) : NO_ID, 4)
    return bytes
  })
  return Buffer.concat([Buffer.from([VERSION, 0, 0, 0]), ...entries])
}

export function aclText(acl: Buffer): string {
  const words: string[] = []
  for (let at = 4; at < acl.length; at += 8) {
    const [tag, bits] = [acl.readUInt16LE(at), acl.readUInt16LE(at + 2)]
    const name = Object.entries(TAGS).find(([, value]) => value === tag)?.[0] ?? '?'
    const id = NAMED.has(name) ? `:${acl.readUInt32LE(at + 4)}` : ''
    words.push(`${name}${id}:${textOf(bits)}`)
  }
  return words.join(' ')
}

function bitsOf(text: string): number {
  return (text.includes('r') ? 4 : 0) | (text.includes('w') ? 2 : 0) | (text.includes('x') ? 1 : 0)
}

function textOf(bits: number): string {
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`
}
