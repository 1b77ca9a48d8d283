// Pieces of a fetch, in memory until they are read, by one reader: each is available as soon as it
// has come, however many are still to come.
import { ignoreFailure } from '../ignore-failure.ts'

export class Arrivals<First, Piece> implements AsyncIterable<Piece> {
  /** Resolves when nothing comes any more. Never rejects. */
  readonly over: Promise<void>
  readonly #first = Promise.withResolvers<First>()
  readonly #pieces: Piece[] = []
  #news = Promise.withResolvers<void>()
  #end: { readonly failure?: unknown } | undefined

  /** fetch: calls begin() once, and then add() for each piece. */
  constructor(fetch: (arrivals: Arrivals<First, Piece>) => Promise<void>) {
    // Whoever reads on is told; who does not need not know.
    void ignoreFailure(this.#first.promise, 'it is thrown where it is awaited')
    this.over = this.#run(fetch)
  }

  /** The facts known before the first piece has come. throws what fetching threw. */
  get first(): Promise<First> {
    return this.#first.promise
  }

  begin(first: First): void {
    this.#first.resolve(first)
  }

  add(piece: Piece): void {
    this.#pieces.push(piece)
    this.#news.resolve()
  }

  /** throws what fetching threw, after what came before. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, undefined> {
    for (;;) {
      for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift())
        yield piece
      if (this.#end !== undefined) break
      await this.#news.promise
      this.#news = Promise.withResolvers()
    }
    if ('failure' in this.#end) throw this.#end.failure
  }

  async #run(fetch: (arrivals: Arrivals<First, Piece>) => Promise<void>): Promise<void> {
    try {
      await fetch(this)
      this.#end = {}
    } catch (failure) {
      this.#end = { failure }
      this.#first.reject(failure)
    }
    this.#news.resolve()
  }
}
