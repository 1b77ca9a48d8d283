// Makes stack traces name the sources of what runs from a bundle, by the source maps in its folder.
// This costs nothing until a trace is read (Node reads that of each failed write to a socket), and
// then a few ms for the first with a frame of a file, since each line's place in the mappings was
// found when the bundle was made. Node's own ways cost more: --enable-source-maps reads every map
// at the start, and its SourceMap takes more than a second for the largest.
// Source: ECMA-426, "Source map format" (mappings are numbers in base 64, each the difference to
// the one before it).
import { readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

const [COMMA, SEMICOLON] = [44, 59]
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const DIGITS = new Uint8Array(128)
for (let digit = 0; digit < 64; digit++) DIGITS[BASE64.charCodeAt(digit)] = digit

/** @param {string} folder of the bundle */
export function nameSourcesInTraces(folder) {
  const prefix = `${pathToFileURL(folder).href}/`
  const maps = new Map()
  // What V8 does without it, but for the positions.
  Error.prepareStackTrace = (error, frames) =>
    [headline(error), ...frames.map((frame) => `    at ${describe(frame)}`)].join('\n')

  function describe(frame) {
    const text = String(frame)
    const [file, line, column] = [
      frame.getFileName(),
      frame.getLineNumber(),
      frame.getColumnNumber(),
    ]
    if (!file?.startsWith(prefix) || !(line > 0)) return text
    if (!maps.has(file)) maps.set(file, readMap(file))
    const origin = originOf(maps.get(file), line, column)
    if (origin === undefined) return text
    const source = new URL(origin.source, file).href
    return text.replace(
      `${file}:${line}:${column}`,
      () => `${source}:${origin.line}:${origin.column}`,
    )
  }
}

function headline(error) {
  try {
    return Error.prototype.toString.call(error)
  } catch {
    return 'Error'
  }
}

/**
 * @param {string} mappings of a source map
 * @returns {Int32Array} four numbers a line of the file: where it begins in the mappings, and the
 *   sums there of sources, lines and columns
 */
export function startsOfLines(mappings) {
  const starts = []
  const sums = [0, 0, 0]
  for (let at = 0; at < mappings.length; at = decodeLine(mappings, at, sums))
    starts.push(at, ...sums)
  return Int32Array.from(starts)
}

/** Undefined where there is none: positions in the bundle are better than no trace. */
function readMap(file) {
  try {
    const path = fileURLToPath(file)
    const { mappings, sources } = JSON.parse(readFileSync(`${path}.map`, 'utf8'))
    const { buffer, byteOffset, byteLength } = readFileSync(`${path}.lines`)
    const starts = new Int32Array(buffer.slice(byteOffset, byteOffset + byteLength))
    return { mappings, sources, starts }
  } catch {
    return undefined
  }
}

/** Lines and columns from 1. */
function originOf(map, line, column) {
  const [at, ...sums] = map?.starts.slice(4 * (line - 1), 4 * line) ?? []
  if (at === undefined) return undefined
  let origin
  decodeLine(map.mappings, at, sums, (from) => {
    if (from < column)
      origin = { source: map.sources[sums[0]], line: sums[1] + 1, column: sums[2] + 1 }
  })
  return origin
}

/**
 * Decodes the mappings of one line, and calls `visit` for each with its column in the file, from 0.
 * sums: source, line and column there, to which the line adds; written to.
 * returns where the next line begins.
 */
function decodeLine(mappings, start, sums, visit) {
  let [from, field, value, shift] = [0, 0, 0, 0]
  for (let at = start; ; at++) {
    const code = at < mappings.length ? mappings.charCodeAt(at) : SEMICOLON
    if (code === COMMA || code === SEMICOLON) {
      if (field > 1) visit?.(from)
      if (code === SEMICOLON) return at + 1
      field = 0
      continue
    }
    value |= (DIGITS[code] & 31) << shift
    shift += 5
    if ((DIGITS[code] & 32) !== 0) continue
    const difference = (value & 1) === 0 ? value >> 1 : -(value >> 1)
    if (field === 0) from += difference
    else if (field < 4) sums[field - 1] += difference
    field++
    value = shift = 0
  }
}
