// The WebDAV door, asked as clients ask that do not run here: their requests in their order, with
// the headers and bodies that they send, of which some are peculiar.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { basic, oneDavDoor } from './ask-dav.ts'
import { answerTo } from './with-door.ts'
import type { DavDoor } from './ask-dav.ts'

/** A request without what all have, and the answer that the client needs to go on. */
type Step = readonly [head: readonly string[], body: string, answer: RegExp]

const XML = 'Content-Type: text/xml; charset="utf-8"'

/** Send them one after the other; TOKEN and HOST stand for the last lock and the door. */
async function follow(
  { url, token }: DavDoor,
  agent: string,
  steps: readonly Step[],
): Promise<void> {
  let lock = ''
  for (const [head, body, expected] of steps) {
    const length = head.some((line) => /^(Transfer-Encoding|Content-Length):/i.test(line))
      ? []
      : [`Content-Length: ${Buffer.byteLength(body)}`]
    const lines = [
      `${head[0]} HTTP/1.1`,
      `Host: ${url.host}`,
      `User-Agent: ${agent}`,
      `Authorization: ${basic('owner', token)}`,
      'Connection: close',
      ...head.slice(1),
      ...length,
    ]
    const text = `${lines.join('\r\n')}\r\n\r\n${body}`
    const answer = await answerTo(url, text.replaceAll('TOKEN', lock).replaceAll('HOST', url.host))
    assert.match(answer, expected, `${head[0]}\n${answer}`)
    lock = /^lock-token: <(.*)>\r$/im.exec(answer)?.[1] ?? lock
  }
}

const FINDER_QUOTA =
  '<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n' +
  '<D:quota-available-bytes/>\n<D:quota-used-bytes/>\n<D:quota/>\n<D:quotaused/>\n' +
  '</D:prop>\n</D:propfind>\n'
const FINDER_STAT =
  '<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n' +
  '<D:getlastmodified/>\n<D:getcontentlength/>\n<D:creationdate/>\n<D:resourcetype/>\n' +
  '</D:prop>\n</D:propfind>\n'
const FINDER_LOCK =
  '<?xml version="1.0" encoding="utf-8"?>\n<D:lockinfo xmlns:D="DAV:">\n' +
  '<D:lockscope><D:exclusive/></D:lockscope>\n<D:locktype><D:write/></D:locktype>\n' +
  '<D:owner>\n<D:href>http://www.apple.com/webdav_fs/</D:href>\n</D:owner>\n</D:lockinfo>\n'

const FINDER: readonly Step[] = [
  [['OPTIONS /', 'Accept: */*'], '', /^HTTP\/1\.1 200 .*\r\ndav: 1, 2, 3\b.*\r\n/s],
  [['PROPFIND /', XML, 'Depth: 0'], FINDER_QUOTA, /^HTTP\/1\.1 207 .*<D:quota-used-bytes>\d+</s],
  [['PROPFIND /._.', XML, 'Depth: 0'], FINDER_STAT, /^HTTP\/1\.1 404 /],
  [['PROPFIND /', XML, 'Depth: 1'], FINDER_STAT, /^HTTP\/1\.1 207 .*<D:collection\/>/s],
  [['PROPFIND /Photo%20a%CC%88.png', XML, 'Depth: 0'], FINDER_STAT, /^HTTP\/1\.1 404 /],
  [['PUT /Photo%20a%CC%88.png', 'Accept: */*'], '', /^HTTP\/1\.1 201 /],
  [
    ['LOCK /Photo%20a%CC%88.png', XML, 'Depth: 0', 'Timeout: Second-600'],
    FINDER_LOCK,
    /^HTTP\/1\.1 200 .*<D:timeout>Second-600</s,
  ],
  [
    [
      'PUT /Photo%20a%CC%88.png',
      'Expect: 100-continue',
      'If: (<TOKEN>)',
      'Transfer-Encoding: Chunked',
      'X-Expected-Entity-Length: 11',
    ],
    '6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n',
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 204 /,
  ],
  [
    ['PROPFIND /Photo%20a%CC%88.png', XML, 'Depth: 0'],
    FINDER_STAT,
    /<D:getcontentlength>11<\/D:getcontentlength>/,
  ],
  [['UNLOCK /Photo%20a%CC%88.png', 'Lock-Token: <TOKEN>'], '', /^HTTP\/1\.1 204 /],
  // Resource forks are files of their own; by the name in the other form it is the same file.
  [['PUT /._Photo%20a%CC%88.png'], 'fork', /^HTTP\/1\.1 201 /],
  [
    ['GET /Photo%20%C3%A4.png', 'Range: bytes=6-10', 'Accept: */*'],
    '',
    /^HTTP\/1\.1 206 .*\r\n\r\nworld$/s,
  ],
  [['DELETE /._Photo%20a%CC%88.png'], '', /^HTTP\/1\.1 204 /],
]

const WIN32 =
  '<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" ' +
  'xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>' +
  '<Z:Win32CreationTime>Wed, 25 Nov 2026 10:00:00 GMT</Z:Win32CreationTime>' +
  '<Z:Win32LastAccessTime>Wed, 25 Nov 2026 10:00:00 GMT</Z:Win32LastAccessTime>' +
  '<Z:Win32LastModifiedTime>Wed, 25 Nov 2026 10:00:00 GMT</Z:Win32LastModifiedTime>' +
  '<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>'
const WINDOWS_LOCK =
  '<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/>' +
  '</D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>PC\\me</D:href></D:owner></D:lockinfo>'
const WINDOWS_HEADERS = ['translate: f', 'Pragma: no-cache'] as const

const EXPLORER: readonly Step[] = [
  [
    ['OPTIONS /', ...WINDOWS_HEADERS],
    '',
    /^HTTP\/1\.1 200 .*\r\nallow: .*PROPFIND.*\r\nms-author-via: DAV\r\n/s,
  ],
  [['PROPFIND /', 'Depth: 0', ...WINDOWS_HEADERS], '', /^HTTP\/1\.1 207 .*<D:href>\/<\/D:href>/s],
  [['PROPFIND /', 'Depth: 1', ...WINDOWS_HEADERS], '', /^HTTP\/1\.1 207 /],
  [['PROPFIND /desktop.ini', 'Depth: 0', ...WINDOWS_HEADERS], '', /^HTTP\/1\.1 404 /],
  [['PUT /new.txt', ...WINDOWS_HEADERS], '', /^HTTP\/1\.1 201 /],
  [
    ['LOCK /new.txt', XML, 'Timeout: Second-3600', ...WINDOWS_HEADERS],
    WINDOWS_LOCK,
    /^HTTP\/1\.1 200 .*<D:href>PC\\me</s,
  ],
  [
    ['PROPPATCH /new.txt', XML, 'If: (<TOKEN>)', ...WINDOWS_HEADERS],
    WIN32,
    /^HTTP\/1\.1 207 .*<D:status>HTTP\/1\.1 200 OK/s,
  ],
  [['HEAD /new.txt', ...WINDOWS_HEADERS], '', /^HTTP\/1\.1 200 .*\r\ncontent-length: 0\r\n/s],
  [['PUT /new.txt', 'If: (<TOKEN>)', ...WINDOWS_HEADERS], 'text', /^HTTP\/1\.1 204 /],
  [['LOCK /new.txt', 'If: (<TOKEN>)', 'Timeout: Second-3600'], '', /^HTTP\/1\.1 200 /],
  [['UNLOCK /new.txt', 'Lock-Token: <TOKEN>', ...WINDOWS_HEADERS], '', /^HTTP\/1\.1 204 /],
  [['PROPFIND /new.txt', 'Depth: 0'], '', /Win32FileAttributes[^>]*>00000020</],
  [['MKCOL /New%20folder', ...WINDOWS_HEADERS], '', /^HTTP\/1\.1 201 /],
  [
    ['MOVE /New%20folder', 'Destination: http://LOCALHOST:1/pictures', 'Overwrite: F'],
    '',
    /^HTTP\/1\.1 502 /,
  ],
  [
    ['MOVE /New%20folder', 'Destination: HTTP://HOST/pictures', 'Overwrite: F'],
    '',
    /^HTTP\/1\.1 201 /,
  ],
  [
    ['MOVE /new.txt', 'Destination: http://HOST/pictures/new.txt', 'Overwrite: F'],
    '',
    /^HTTP\/1\.1 201 /,
  ],
]

const GNOME_STAT =
  '<?xml version="1.0" encoding="utf-8" ?>\n <D:propfind xmlns:D="DAV:">\n  <D:prop>\n' +
  '<D:creationdate/>\n<D:displayname/>\n<D:getcontentlength/>\n<D:getcontenttype/>\n' +
  '<D:getetag/>\n<D:getlastmodified/>\n<D:resourcetype/>\n  </D:prop>\n </D:propfind>'

const GNOME: readonly Step[] = [
  [['OPTIONS /'], '', /^HTTP\/1\.1 200 .*\r\ndav: 1, 2, 3\b.*\r\n/s],
  [
    ['PROPFIND /', 'Depth: 0', 'Apply-To-Redirect-Ref: T', 'Content-Type: application/xml'],
    GNOME_STAT,
    /^HTTP\/1\.1 207 .*<D:collection\/>/s,
  ],
  [['PUT /%C3%BC.txt', 'If-None-Match: *'], 'text', /^HTTP\/1\.1 201 .*\r\netag: "/s],
  [['PUT /%C3%BC.txt', 'If-None-Match: *'], 'other', /^HTTP\/1\.1 412 /],
  [
    ['PROPFIND /', 'Depth: 1', 'Apply-To-Redirect-Ref: T', 'Content-Type: application/xml'],
    GNOME_STAT,
    /<D:displayname>ü\.txt<\/D:displayname><D:getcontentlength>4</,
  ],
  [
    ['MOVE /%C3%BC.txt', 'Destination: http://owner@HOST/new.txt', 'Overwrite: F'],
    '',
    /^HTTP\/1\.1 201 /,
  ],
  [['COPY /new.txt', 'Destination: http://HOST/two.txt', 'Overwrite: T'], '', /^HTTP\/1\.1 201 /],
  [['GET /two.txt'], '', /^HTTP\/1\.1 200 .*\r\n\r\ntext$/s],
  [['DELETE /two.txt'], '', /^HTTP\/1\.1 204 /],
]

describe('clients of the WebDAV door', () => {
  const inDoor = oneDavDoor()

  for (const [name, agent, steps] of [
    ['Finder of macOS', 'WebDAVFS/3.0.0 (03008000) Darwin/22.6.0 (x86_64)', FINDER],
    ['Explorer of Windows', 'Microsoft-WebDAV-MiniRedir/10.0.19045', EXPLORER],
    ['Files of GNOME', 'gvfs/1.50.3', GNOME],
  ] as const)
    test(`${name} gets the answers that it goes on with`, () =>
      inDoor((door) => follow(door, agent, steps)))
})
