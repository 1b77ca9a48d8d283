// All that the HTTP doors of a node keep from one request to another.
import { Uploads } from './uploads.ts'
import type { UploadsComponents } from './uploads.ts'

export class HttpState {
  readonly uploads: Uploads

  private constructor(uploads: Uploads) {
    this.uploads = uploads
  }

  static async open(components: UploadsComponents): Promise<HttpState> {
    return new HttpState(await Uploads.open(components))
  }

  /** After the doors: what runs still is ended, with what has come of it. */
  stop(): Promise<void> {
    return this.uploads.stop()
  }
}
