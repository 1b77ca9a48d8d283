// Places in the namespace as addresses of this page, as paths of calls and as paths of HTTP.

/** A volume, and the names on the way to a folder or file in it. */
export interface Place {
  readonly volume: string
  readonly path: readonly string[]
}

/** 'main:/docs/a.txt', as calls take it. */
export function pathText({ volume, path }: Place): string {
  return `${volume}:/${path.join('/')}`
}

/** '/v1/files/main/docs/a.txt', each part encoded by itself. */
export function fileUrl({ volume, path }: Place): string {
  return `/v1/files/${[volume, ...path].map(encodeURIComponent).join('/')}`
}

/** '#/files/main/docs'. */
export function pageUrl({ volume, path }: Place): string {
  return `#/files/${[volume, ...path].map(encodeURIComponent).join('/')}`
}

export function inside(place: Place, ...names: readonly string[]): Place {
  return { ...place, path: [...place.path, ...names] }
}

/** The last name; that of the volume at its root. */
export function nameOf({ volume, path }: Place): string {
  return path.at(-1) ?? volume
}
