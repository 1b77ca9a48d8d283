// Parsers of what programs send to the doors.
import { davPath, hrefOf } from '../../../node/doors/webdav/dav-path.ts'
import { parseIf } from '../../../node/doors/webdav/if-header.ts'
import { parseXml, standingAlone } from '../../../node/doors/xml/xml.ts'
import { parseUrl } from '../../../node/doors/s3/authenticate.ts'
import { ATTRIBUTE, metadataOf } from '../../../node/doors/s3/metadata.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import type { Target } from '../watch.ts'

const XML = [
  '<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop><a xmlns="urn:x"/></D:prop></D:propfind>',
  '<D:set xmlns:D="DAV:" xml:lang="de"><D:prop><Z:b xmlns:Z="u">1 &lt; &#x32;<![CDATA[<]]></Z:b></D:prop></D:set>',
]
const IF = ['<http://h/a> (<urn:uuid:1> ["x"]) (Not <DAV:no-lock>)', '(<urn:uuid:1>) (Not [W/"y"])']

/** Headers and URLs come as a byte a character. */
const textOf = (input: Uint8Array): string => Buffer.from(input).toString('latin1')

export const doorTargets: readonly Target[] = [
  {
    name: 'webdav-xml',
    // What is kept of it is read again, and must be as good.
    run: (input) => parseXml(utf8(standingAlone(parseXml(input)))),
    honest: () => XML.map(utf8),
    codes: ['malformed'],
  },
  {
    name: 'webdav-if',
    run: (input) => parseIf(textOf(input)),
    honest: () => IF.map(utf8),
    codes: ['usage'],
  },
  {
    name: 'webdav-path',
    run: (input) => davPath(hrefOf(davPath(textOf(input)))),
    honest: () => ['/a%20b/%ff/', 'http://h:1/%C3%BC?x'].map(utf8),
    codes: ['usage'],
  },
  {
    name: 's3-url',
    run: (input) => parseUrl(textOf(input)),
    honest: () => ['/b/k%20?list-type=2&prefix=%C3%BC', '/?x'].map(utf8),
    codes: ['usage'],
  },
  {
    name: 's3-metadata',
    run: (input) => {
      const extended = { [ATTRIBUTE]: Buffer.from(input).toString('base64') }
      metadataOf({ extended, sizeBytes: 1, modifiedNs: 2n })
    },
    honest: () => [
      utf8(
        '{"etag":"aa","headers":{"content-type":"a/b"},"user":{"k":"v"},"tags":[["a","b"]],"size":1,"modified":"2"}',
      ),
    ],
    codes: [],
  },
]
