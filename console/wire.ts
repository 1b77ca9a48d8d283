// The types of the API as JSON carries them: nanoseconds are decimal text there.

/** A value of the API as it comes. */
export type Wire<Value> = Value extends bigint
  ? string
  : Value extends string | number | boolean | null | undefined
    ? Value
    : Value extends readonly (infer Item)[]
      ? readonly Wire<Item>[]
      : { readonly [Key in keyof Value]: Wire<Value[Key]> }

/** The answer of a call of the API, as it comes. */
export type Answer<Call extends (...passed: never[]) => unknown> =
  ReturnType<Call> extends Promise<infer Value> ? Wire<Value> : never

/** The items of a call that is answered in pages. */
export type Item<Call extends (...passed: never[]) => unknown> =
  ReturnType<Call> extends AsyncIterable<readonly (infer One)[]> ? Wire<One> : never
