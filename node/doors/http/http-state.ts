// All that the HTTP doors of a node keep from one request to another.
import { Idempotency } from './idempotency.ts'
import { KeptAnswers } from './kept-answers.ts'
import { Uploads } from './uploads.ts'
import type { UploadsComponents } from './uploads.ts'

export class HttpState {
  readonly uploads: Uploads
  readonly idempotency: Idempotency
  readonly #answers: KeptAnswers

  private constructor(uploads: Uploads, answers: KeptAnswers) {
    this.uploads = uploads
    this.#answers = answers
    this.idempotency = new Idempotency(answers)
  }

  static async open(components: UploadsComponents): Promise<HttpState> {
    return new HttpState(await Uploads.open(components), await KeptAnswers.open(components))
  }

  /** After the doors: what runs still is ended, with what has come of it. */
  async stop(): Promise<void> {
    await this.idempotency.idle()
    await this.uploads.stop()
    await this.#answers.stop()
  }
}
