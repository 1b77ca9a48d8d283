// The one door to the WASM kernels: compiled from assembly/ by `npm run prepare`, read from disk at
// first use, one instance of each per thread. Their memory never grows, so the views given here
// stay valid. A kernel keeps nothing between calls that a caller may rely on: write its inputs,
// call it, read its outputs, without awaiting in between.
import { readFileSync } from 'node:fs'
import { ShoalError } from '../errors.ts'

/** The search for chunk boundaries (assembly/gear.ts). */
export interface GearKernel {
  /** 256 little-endian u64. */
  readonly table: Uint8Array
  /** 63 bytes, then one for each position to look at. */
  readonly input: Uint8Array
  readonly positionsMax: number
  /** The first of `positions` whose hash has its top `bits` bits zero, or -1. */
  readonly findCut: (positions: number, bits: number) => number
}

/** Linear combinations of rows of bytes over GF(2^8) (assembly/galois.ts). */
export interface GaloisKernel {
  /**
   * Per row and column 32 bytes, rows * columns of them: products of 0..15, then of 0, 16, .. 240.
   */
  readonly tables: Uint8Array
  /** columnsMax rows of blockBytes. */
  readonly input: Uint8Array
  /** rowsMax rows of blockBytes. */
  readonly output: Uint8Array
  readonly blockBytes: number
  readonly columnsMax: number
  readonly rowsMax: number
  /** output[r] = sum over c of product(r, c, input[c]); `length` is a multiple of 32. */
  readonly combine: (rows: number, columns: number, length: number) => void
}

let gear: GearKernel | undefined
let galois: GaloisKernel | undefined

/** throws ShoalError 'internal' if the kernels are not built. */
export function gearKernel(): GearKernel {
  gear ??= loadGear()
  return gear
}

/** throws ShoalError 'internal' if the kernels are not built. */
export function galoisKernel(): GaloisKernel {
  galois ??= loadGalois()
  return galois
}

function loadGear(): GearKernel {
  const { exports, constant, view } = instantiate('gear')
  const positionsMax = constant('POSITIONS_MAX')
  return {
    table: view('table', 256 * 8),
    input: view('input', positionsMax + 63),
    positionsMax,
    findCut: exports['findCut'] as GearKernel['findCut'],
  }
}

function loadGalois(): GaloisKernel {
  const { exports, constant, view } = instantiate('galois')
  const blockBytes = constant('BLOCK')
  const columnsMax = constant('COLUMNS_MAX')
  const rowsMax = constant('ROWS_MAX')
  return {
    tables: view('tables', rowsMax * columnsMax * 32),
    input: view('input', columnsMax * blockBytes),
    output: view('output', rowsMax * blockBytes),
    blockBytes,
    columnsMax,
    rowsMax,
    combine: exports['combine'] as GaloisKernel['combine'],
  }
}

/**
 * The part of the WebAssembly API that is used: TypeScript has its types in lib.dom only, which
 * would bring in a browser's globals.
 */
interface WebAssemblyApi {
  readonly Module: new (wasm: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

interface Kernel {
  readonly exports: Readonly<Record<string, unknown>>
  /** The value of an exported constant. */
  readonly constant: (name: string) => number
  /** The bytes at an exported address. */
  readonly view: (name: string, length: number) => Uint8Array
}

function instantiate(name: string): Kernel {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi })
    .WebAssembly
  const { exports } = new Instance(new Module(readKernel(name)))
  const { buffer } = exports['memory'] as { readonly buffer: ArrayBuffer }
  const constant = (of: string): number => (exports[of] as { readonly value: number }).value
  return { exports, constant, view: (of, length) => new Uint8Array(buffer, constant(of), length) }
}

function readKernel(name: string): Uint8Array {
  try {
    return readFileSync(new URL(`${name}.wasm`, import.meta.url))
  } catch (cause) {
    const message = `the kernel ${name}.wasm is not built; run \`npm run prepare\``
    throw new ShoalError('internal', message, { cause })
  }
}
