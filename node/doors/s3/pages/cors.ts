// Rules by which pages of other origins may read what a bucket answers (CORS), as S3 has them. They
// let nobody in: they tell a browser to whom it may show an answer. Pure.
import { isObject } from '../metadata.ts'
import { S3Error, invalid } from '../s3-error.ts'
import { childText, childrenNamed, element } from '../s3-request.ts'
import { elementsIn, textIn } from '../../xml/xml.ts'
import type { XmlElement } from '../../xml/xml.ts'

const RULES_MAX = 100
const ID_CHARS_MAX = 255
const SECONDS_MAX = 2 ** 31 - 1
const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'HEAD', 'POST', 'DELETE'])
/** As it may stand in a header of an answer, or be compared with one. */
const ORIGIN = /^[!#-[\]-~]{1,1024}$/
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,256}$/
const PARTS: ReadonlySet<string> = new Set([
  'ID',
  'AllowedOrigin',
  'AllowedMethod',
  'AllowedHeader',
  'ExposeHeader',
  'MaxAgeSeconds',
])

export interface CorsRule {
  readonly id?: string | undefined
  /** With one wildcard each, at most. */
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  /** With one wildcard each, at most. */
  readonly headers: readonly string[]
  readonly expose: readonly string[]
  readonly maxAgeSeconds?: number | undefined
}

/** A question of a browser, or of a page. */
export interface CorsAsk {
  readonly origin: string
  readonly method: string
  /** In lower case. */
  readonly headers: readonly string[]
}

/** The first rule that allows it. */
export function ruleFor(rules: readonly CorsRule[], ask: CorsAsk): CorsRule | undefined {
  return rules.find(
    ({ origins, methods, headers }) =>
      methods.includes(ask.method) &&
      origins.some((pattern) => matches(pattern, ask.origin)) &&
      ask.headers.every((name) => headers.some((one) => matches(one.toLowerCase(), name))),
  )
}

/** The headers of an answer that a rule allows. */
export function corsHeaders(
  { origins, methods, expose, maxAgeSeconds }: CorsRule,
  { origin, headers }: CorsAsk,
): Readonly<Record<string, string>> {
  const isAny = origins.includes('*')
  return {
    'access-control-allow-origin': isAny ? '*' : origin,
    'access-control-allow-methods': methods.join(', '),
    ...(headers.length > 0 && { 'access-control-allow-headers': headers.join(', ') }),
    ...(expose.length > 0 && { 'access-control-expose-headers': expose.join(', ') }),
    ...(maxAgeSeconds !== undefined && { 'access-control-max-age': `${maxAgeSeconds}` }),
    ...(!isAny && { 'access-control-allow-credentials': 'true' }),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
}

function matches(pattern: string, text: string): boolean {
  const at = pattern.indexOf('*')
  if (at < 0) return pattern === text
  const [before, after] = [pattern.slice(0, at), pattern.slice(at + 1)]
  return (
    text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after)
  )
}

/** throws S3Error 400. */
export function rulesIn(root: XmlElement): readonly CorsRule[] {
  const rules = elementsIn(root)
  if (rules.length === 0 || rules.length > RULES_MAX)
    throw malformed(`there are 1 to ${RULES_MAX} rules`)
  return rules.map((rule) => {
    if (rule.name !== 'CORSRule') throw malformed(`${rule.name} is no rule`)
    for (const { name } of elementsIn(rule))
      if (!PARTS.has(name)) throw malformed(`a rule has no ${name}`)
    const texts = (name: string): readonly string[] =>
      childrenNamed(rule, name).map((child) => textIn(child).trim())
    const found = {
      id: childText(rule, 'ID'),
      origins: texts('AllowedOrigin'),
      methods: texts('AllowedMethod'),
      headers: texts('AllowedHeader'),
      expose: texts('ExposeHeader'),
      maxAgeSeconds: secondsOf(texts('MaxAgeSeconds')),
    }
    check(found)
    return found
  })
}

export function rulesText(rules: readonly CorsRule[]): string {
  const all = (name: string, texts: readonly string[]): string =>
    texts.map((text) => element(name, text)).join('')
  return rules
    .map(
      ({ id, origins, methods, headers, expose, maxAgeSeconds }) =>
        `<CORSRule>${element('ID', id)}${all('AllowedOrigin', origins)}` +
        `${all('AllowedMethod', methods)}${all('AllowedHeader', headers)}` +
        `${all('ExposeHeader', expose)}${element('MaxAgeSeconds', maxAgeSeconds)}</CORSRule>`,
    )
    .join('')
}

/** As the setting of a bucket has them. */
export function encodeRules(rules: readonly CorsRule[]): string {
  return JSON.stringify(rules)
}

/** Those of a setting, which any member may set: what is none of them says nothing. */
export function decodeRules(setting: string): readonly CorsRule[] {
  try {
    const read: unknown = JSON.parse(setting)
    return Array.isArray(read) ? read.slice(0, RULES_MAX).flatMap(ruleOf) : []
  } catch {
    // Somebody else's, or damaged: it allows nothing.
    return []
  }
}

function ruleOf(value: unknown): readonly CorsRule[] {
  if (!isObject(value)) return []
  const { id, origins, methods, headers, expose, maxAgeSeconds } = value
  if (![origins, methods, headers, expose].every(isTexts)) return []
  if (id !== undefined && typeof id !== 'string') return []
  if (maxAgeSeconds !== undefined && !Number.isSafeInteger(maxAgeSeconds)) return []
  const rule = { id, origins, methods, headers, expose, maxAgeSeconds } as CorsRule
  check(rule)
  return [rule]
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function check({ id = '', origins, methods, headers, expose, maxAgeSeconds = 0 }: CorsRule): void {
  if (origins.length === 0 || methods.length === 0)
    throw malformed('a rule has an AllowedOrigin and an AllowedMethod')
  if (id.length > ID_CHARS_MAX) throw invalid(`an ID has at most ${ID_CHARS_MAX} characters`)
  for (const method of methods)
    if (!METHODS.has(method)) throw wrong(`the method ${method} is none of S3`)
  for (const origin of origins)
    if (!ORIGIN.test(origin) || wildcards(origin) > 1)
      throw wrong(`AllowedOrigin "${origin}" is none with at most one wildcard`)
  for (const header of headers)
    if (!HEADER_NAME.test(header) || wildcards(header) > 1)
      throw wrong(`AllowedHeader "${header}" is none with at most one wildcard`)
  for (const header of expose)
    if (!HEADER_NAME.test(header) || wildcards(header) > 0)
      throw wrong(`ExposeHeader "${header}" is none without a wildcard`)
  if (maxAgeSeconds < 0 || maxAgeSeconds > SECONDS_MAX) throw malformed('MaxAgeSeconds is a number')
}

function wildcards(text: string): number {
  return text.split('*').length - 1
}

function secondsOf(texts: readonly string[]): number | undefined {
  const [text] = texts
  if (text === undefined) return undefined
  if (texts.length > 1 || !/^\d{1,10}$/.test(text)) throw malformed('MaxAgeSeconds is a number')
  return Number(text)
}

function malformed(text: string): S3Error {
  return new S3Error('MalformedXML', 400, `the CORS configuration is none: ${text}`)
}

function wrong(text: string): S3Error {
  return invalid(text, 'InvalidRequest')
}
