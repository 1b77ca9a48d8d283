// XML of requests, with its namespaces resolved: a tree of elements of which each knows what its
// prefixes stand for, so that a part of it can be kept by itself. Refused: what is not well-formed,
// declarations of documents and of entities (bombs, files of this machine), what nests deeply.
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { ShoalError } from '../../../protocol/errors.ts'
import { escapeXml, isXmlText } from './xml-text.ts'

export const DAV = 'DAV:'
const XML = 'http://www.w3.org/XML/1998/namespace'
const XMLNS = 'http://www.w3.org/2000/xmlns/'
const DEPTH_MAX = 64
const ELEMENTS_MAX = 10_000
/** Prefixes that an element knows. */
const PREFIXES_MAX = 64
/** A name in a failure is cut to so many. */
const SHOWN_CHARS = 40

export interface XmlElement {
  /** With its prefix, as it came. */
  readonly tag: string
  readonly namespace: string
  readonly name: string
  /** As they came, those that declare namespaces too. */
  readonly attributes: ReadonlyMap<string, string>
  /** Namespaces by prefix; '' is the prefix of tags without one. */
  readonly prefixes: ReadonlyMap<string, string>
  /** `xml:lang` of it or of the nearest around it. */
  readonly language: string | undefined
  readonly children: readonly (XmlElement | string)[]
}

/** A tag, its attributes beside it as ':@', as fast-xml-parser has it. */
type Parsed = Readonly<Record<string, unknown>>

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // References are resolved below: there are five names, and characters by number.
  processEntities: false,
  cdataPropName: '#cdata',
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: DEPTH_MAX,
})

/** Nothing but comments and CDATA begins with `<!`. */
const DECLARATION = /<!(?!--|\[CDATA\[)/
const NAME = /^[\p{L}_][\p{L}\p{N}\p{M}_.·-]*$/u

/** The root of a document of at most so many elements. throws ShoalError 'malformed'. */
export function parseXml(bytes: Uint8Array, elementsMax: number = ELEMENTS_MAX): XmlElement {
  const text = decode(bytes)
  if (DECLARATION.test(text)) throw wrong('declares a document type or entities')
  if (!isXmlText(text)) throw wrong('has characters that XML has none of')
  const roots = parse(text.replaceAll(/\r\n?/g, '\n')).filter((node) => !isSpace(node['#text']))
  const [root, ...others] = roots
  // It forgets text after the last tag.
  const hasMore = !text.trimEnd().endsWith('>')
  if (root === undefined || others.length > 0 || hasMore) throw wrong('has not one root')
  const reading: Reading = { elements: 0, elementsMax }
  const prefixes = new Map([
    ['', ''],
    ['xml', XML],
  ])
  return elementOf(root, { prefixes, language: undefined }, reading)
}

export function isNamed(element: XmlElement, name: string, namespace: string = DAV): boolean {
  return element.name === name && element.namespace === namespace
}

export function elementsIn({ children }: XmlElement): readonly XmlElement[] {
  return children.filter((child) => typeof child !== 'string')
}

/** The first element of that name in DAV:. */
export function childNamed(element: XmlElement, name: string): XmlElement | undefined {
  return elementsIn(element).find((child) => isNamed(child, name))
}

/** The text directly in it. */
export function textIn({ children }: XmlElement): string {
  return children.filter((child) => typeof child === 'string').join('')
}

/** The element by itself, which means the same wherever it stands. */
export function standingAlone(element: XmlElement): string {
  const { prefixes, attributes, language } = element
  const declared = Array.from(prefixes).flatMap(([prefix, namespace]) => {
    const name = prefix === '' ? 'xmlns' : `xmlns:${prefix}`
    return prefix === 'xml' || attributes.has(name) ? [] : [[name, namespace] as const]
  })
  const spoken =
    language === undefined || attributes.has('xml:lang') ? [] : [['xml:lang', language] as const]
  return written(element, [...declared, ...spoken])
}

/** An element of that name with nothing in it, which stands alone. */
export function emptyElement({ tag, namespace }: XmlElement): string {
  const prefix = tag.includes(':') ? `:${tag.slice(0, tag.indexOf(':'))}` : ''
  return `<${tag} xmlns${prefix}="${escapeXml(namespace)}"/>`
}

function contentText({ children }: XmlElement): string {
  return children
    .map((child) => (typeof child === 'string' ? escapeXml(child) : written(child, [])))
    .join('')
}

function written(element: XmlElement, more: readonly (readonly [string, string])[]): string {
  const attributes = [...element.attributes, ...more]
    .map(([name, value]) => ` ${name}="${escapeXml(value)}"`)
    .join('')
  const content = contentText(element)
  const { tag } = element
  return content === '' ? `<${tag}${attributes}/>` : `<${tag}${attributes}>${content}</${tag}>`
}

function isSpace(text: unknown): boolean {
  return typeof text === 'string' && text.trim() === ''
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // It throws for nothing else.
    throw wrong('is not UTF-8')
  }
}

/** fast-xml-parser takes much that is not well-formed unless its validator has refused it. */
function parse(text: string): readonly Parsed[] {
  try {
    if (XMLValidator.validate(text) === true) return parser.parse(text) as readonly Parsed[]
  } catch {
    // Deeper than it may be, or a name that JavaScript takes for another thing.
  }
  throw wrong('is not well-formed')
}

interface Reading {
  elements: number
  readonly elementsMax: number
}

function elementOf(
  node: Parsed,
  around: Pick<XmlElement, 'prefixes' | 'language'>,
  reading: Reading,
): XmlElement {
  if (++reading.elements > reading.elementsMax) throw wrong('has too many elements')
  const [tag] = Object.keys(node).filter((key) => key !== ':@')
  if (tag === undefined) throw wrong('has an element without a name')
  const attributes = new Map(
    Object.entries((node[':@'] ?? {}) as Parsed).map(([name, value]) => [
      name,
      resolved(String(value).replaceAll(/[\t\n]/g, ' '), '<'),
    ]),
  )
  const prefixes = declaredBy(attributes, around.prefixes)
  const { namespace, name } = resolveTag(tag, prefixes)
  checkAttributes(attributes, prefixes)
  const language = attributes.get('xml:lang') ?? around.language
  const inner = { prefixes, language }
  const children: (XmlElement | string)[] = []
  const addText = (text: string): void => {
    const last = children.at(-1)
    if (typeof last === 'string') children[children.length - 1] = last + text
    else if (text !== '') children.push(text)
  }
  for (const child of (node[tag] ?? []) as readonly Parsed[]) {
    if ('#text' in child) addText(resolved(String(child['#text']), ']]>'))
    else if ('#cdata' in child) addText(cdataOf(child['#cdata']))
    else children.push(elementOf(child, inner, reading))
  }
  return { tag, namespace, name, attributes, prefixes, language, children }
}

function cdataOf(parts: unknown): string {
  return (parts as readonly Readonly<Record<string, string>>[])
    .map((part) => part['#text'] ?? '')
    .join('')
}

function declaredBy(
  attributes: ReadonlyMap<string, string>,
  around: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const declared = Array.from(attributes).filter(([name]) => /^xmlns(:|$)/.test(name))
  if (declared.length === 0) return around
  const prefixes = new Map(around)
  for (const [name, namespace] of declared) {
    const prefix = name.slice('xmlns:'.length)
    const isTaken = prefix === 'xml' || prefix === 'xmlns' || namespace === XMLNS
    if (isTaken || namespace === XML || (name !== 'xmlns' && (namespace === '' || prefix === '')))
      throw wrong(`declares ${name} as nothing can be`)
    prefixes.set(prefix, namespace)
  }
  if (prefixes.size > PREFIXES_MAX) throw wrong('has too many prefixes')
  return prefixes
}

function resolveTag(
  tag: string,
  prefixes: ReadonlyMap<string, string>,
): Pick<XmlElement, 'namespace' | 'name'> {
  const colon = tag.indexOf(':')
  const name = tag.slice(colon + 1)
  const namespace = prefixes.get(colon < 0 ? '' : tag.slice(0, colon))
  if (namespace === undefined || colon === 0 || !NAME.test(name))
    throw wrong(`has "${tag.slice(0, SHOWN_CHARS)}", whose prefix stands for nothing`)
  return { namespace, name }
}

function checkAttributes(
  attributes: ReadonlyMap<string, string>,
  prefixes: ReadonlyMap<string, string>,
): void {
  const seen = new Set<string>()
  for (const attribute of attributes.keys()) {
    if (/^xmlns(:|$)/.test(attribute)) continue
    const none = new Map([...prefixes, ['', '']])
    const { namespace, name } = resolveTag(attribute, attribute.includes(':') ? prefixes : none)
    const both = `${namespace} ${name}`
    if (seen.has(both)) throw wrong(`has ${attribute} twice`)
    seen.add(both)
  }
}

const NAMED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])
const CODE_POINT_MAX = 0x10ffff

/** Text with its references resolved, which must not have `never`. */
function resolved(text: string, never: string): string {
  if (text.includes(never)) throw wrong(`has ${never} in text`)
  return text.replaceAll(/&([^;]{0,10});?/g, (all, reference: string) => {
    const char = all.endsWith(';') ? charOf(reference) : undefined
    if (char === undefined || !isXmlText(char)) throw wrong('has a reference to nothing')
    return char
  })
}

function charOf(reference: string): string | undefined {
  const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(reference) ?? []
  if (hex === undefined && decimal === undefined) return NAMED.get(reference)
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
  return code > CODE_POINT_MAX ? undefined : String.fromCodePoint(code)
}

function wrong(how: string): ShoalError {
  return new ShoalError('malformed', `the XML of the request ${how}`)
}
