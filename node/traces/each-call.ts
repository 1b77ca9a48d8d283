// Objects whose calls go through somebody else's hands, each by the name of its method: the API at
// a door, the file system of a mount.

type Method = (...args: readonly unknown[]) => unknown

/** The same object, of which `around` makes each call, and answers what it likes. */
export function eachCall<Target extends object>(
  target: Target,
  around: (name: string, call: () => unknown) => unknown,
): Target {
  const made = new Map<string, Method>()
  return new Proxy(target, {
    get: (_, name) => {
      const known = typeof name === 'string' ? made.get(name) : undefined
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || typeof name === 'symbol') return value
      const method = value.bind(target) as Method
      const wrapped: Method = (...args) => around(name, () => method(...args))
      made.set(name, wrapped)
      return wrapped
    },
  })
}

/** Does an answer come piece by piece? */
export function isIterable(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}
