// Lists in pages of a bounded length.

/** Collects items into pages; the last may be shorter, and none is empty. */
export async function* pagesOf<Item>(
  source: AsyncIterable<Item>,
  countMax: number,
): AsyncGenerator<readonly Item[], void, undefined> {
  let page: Item[] = []
  for await (const item of source) {
    page.push(item)
    if (page.length < countMax) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

/** A list cut into pages. */
export function* slicesOf<Item>(
  items: readonly Item[],
  countMax: number,
): Generator<readonly Item[], void, undefined> {
  for (let at = 0; at < items.length; at += countMax) yield items.slice(at, at + countMax)
}
