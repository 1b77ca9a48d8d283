// Rules that no single file shows: nothing that nothing reaches, names and lengths. What one file
// shows by its syntax (types, functions too long, globals that read time or chance) is the
// linter's. Each test names every breach at once, one a line.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { test } from 'node:test'
import { byPath, files, found, none, reachable, root } from './sources.ts'

const FILE_LINES_MAX = 400
/** Generated, and as long as what it is made of. */
const LONG_FILES: readonly string[] = ['client/types.ts']

/**
 * The files that start by themselves; everything else in these folders must be reachable from here.
 */
const ENTRIES: readonly string[] = [
  'node/index.ts',
  'cli/shoal.mjs',
  'cli/main.ts',
  'console/main.tsx',
  'client/client.ts',
  'client/upload.ts',
  'simulations/run.ts',
  'bench/run.ts',
]

/** Modules that take tenths of a second to load: codecs, hashes, curves, the node. */
const LATE =
  /^protocol\/(cbor|hash|ids|signed)\.ts$|^node\/(?!control\/)|^node\/control\/(calls|fields|server)\.ts$/

const BANNED_NAMES = /(^|[-/])(utils?|helpers?|common|manager|service)([-./]|$)/

const BANNED_TEXTS: readonly { readonly text: RegExp; readonly why: string }[] = [
  { text: /\b(TODO|FIXME|XXX)\b/, why: 'is work left undone' },
  { text: /@ts-(ignore|expect-error|nocheck)/, why: 'gives up types' },
  { text: /((ox|es)lint-disable|prettier-ignore)(?!.* -- )/, why: 'silences a rule, unexplained' },
  { text: /\b(test|it|describe|suite)\.(only|todo)\(/, why: 'leaves tests out' },
  { text: /\/work\/|\/root\/|registry\.npmjs/, why: 'belongs to one machine' },
]

/** Time and chance that the linter's lists of globals cannot name. */
const OUTSIDE_TEXTS: readonly RegExp[] = [
  /\bnew Date\(\)/,
  /'(node:)?timers(\/promises)?'/,
  /\b(randomBytes|randomUUID|randomInt|randomFill(Sync)?|getRandomValues)\b/,
]

/** Packages for certificates, for tokens of sessions, for OpenID Connect. */
const FEW: ReadonlySet<string> = new Set(['@peculiar/x509', 'jose', 'openid-client'])

const COLUMNS_MAX = 100
/** The formatter leaves a string whole, however long: up to here that is easier to search for. */
const TEXT_COLUMNS_MAX = 120

const WORD_LISTS: readonly string[] = ['.cspell/names.txt', '.cspell/shoal.txt']

/** "What becomes of..." instead of "The result of..." */
const FREE_RELATIVE = /(?:\/\*\*\s+(?:\* )?|^\/\/ )(?:What|Who|Whom|Whose|Of|Where)\b.*/g

test('every file is reached from an entry', () => {
  const product = ENTRIES.filter((path) => byPath.has(path))
  const reachedByProduct = reachable(product)
  const others = files.map((file) => file.path).filter((path) => /^(test|scripts)\//.test(path))
  const starts = others.filter((path) =>
    /\.test\.ts$|^scripts\/|^test\/(run|slowest|process|fuzz\/run|fuzz\/worker)\.ts$/.test(path),
  )
  const reachedByTests = reachable(starts)
  none(
    files
      .filter(({ path }) => !reachedByProduct.has(path))
      .filter(({ path }) => !(others.includes(path) && reachedByTests.has(path)))
      .map(({ path }) => `${path}: nothing that runs imports it`),
  )
})

test('a command that asks a node starts without what only nodes need', () => {
  const started = reachable(['cli/main.ts'], ({ atStart }) => atStart)
  none([...started].filter((path) => LATE.test(path)).map((path) => `${path}: import it when used`))
  assert(started.has('cli/commands/ls.ts'))
})

test('a node and its doors start without the libraries that few of them use', () => {
  const doors = ['http/http-door', 's3/s3-door', 'webdav/webdav-door']
  const starts = ['node/node.ts', ...doors.map((name) => `node/doors/${name}.ts`)]
  const started = reachable(starts, ({ atStart }) => atStart)
  const late = files.filter(({ path, imports }) => {
    const isOfNode = path.startsWith('node/')
    return isOfNode && imports.some(({ target, typeOnly }) => !typeOnly && FEW.has(target))
  })
  assert(late.length >= 3)
  none(
    late.filter(({ path }) => started.has(path)).map(({ path }) => `${path}: import it when used`),
  )
})

test('files are short, open with what is true of them, and have plain names', () => {
  none(
    files.flatMap(({ path, text }) => {
      const lines = text.split('\n').length - 1
      return [
        lines > FILE_LINES_MAX && !LONG_FILES.includes(path)
          ? `${path}: ${lines} lines, over ${FILE_LINES_MAX}`
          : '',
        /^(#!.*\n)?\/[/*]/.test(text) ? '' : `${path}: opens without a comment`,
        BANNED_NAMES.test(path) ? `${path}: its name says nothing` : '',
        /^[a-z0-9./-]+$/.test(path) ? '' : `${path}: its name is not kebab-case`,
      ].filter((breach) => breach !== '')
    }),
  )
})

test('no source has words that do not belong in it', () => {
  const here = normalize('test/tidy.test.ts')
  none(
    files
      .filter(({ path }) => path !== here)
      .flatMap(({ path, text }) =>
        BANNED_TEXTS.flatMap((banned) => found(path, text, banned.text, banned.why)),
      ),
  )
})

test('a docstring, and the head of a file, begin with what the thing is or does', () => {
  none(
    files.flatMap(({ path, text }) =>
      [...text.matchAll(FREE_RELATIVE)].map(
        ({ 0: found, index }) => `${path}:${text.slice(0, index).split('\n').length}: ${found}`,
      ),
    ),
  )
})

test('comments keep to the width that the formatter gives to code', () => {
  const wide = new RegExp(`^(?=\\s*(//|/?\\*)).{${COLUMNS_MAX + 1}}`)
  none(files.flatMap(({ path, text }) => found(path, text, wide, `over ${COLUMNS_MAX} columns`)))
})

test('strings that run over that width are broken after a clause, but for patterns and patches', () => {
  const wide = new RegExp(`^(?!\\s*/.*/[a-z]*,?$).{${TEXT_COLUMNS_MAX + 1}}`)
  none(
    files
      .filter(({ path }) => !/^simulations\/.*mutations\.ts$/.test(path))
      .flatMap(({ path, text }) => found(path, text, wide, `over ${TEXT_COLUMNS_MAX} columns`)),
  )
})

test('a failure that nobody hears of has a reason (world/ignore-failure.ts)', () => {
  // What may not import that file says it in a comment, as does a `catch` that takes no error.
  const dropped = /\.catch\(\(\) => (undefined|false|\{\s*\})\)(?!.* \/\/ )/
  const silent = /\bcatch \{(?!.*\n?.* \/\/ )/g
  const product = files.filter(({ path }) => /^(node|cli|protocol)\/.*\.ts$/.test(path))
  none(
    product.flatMap(({ path, text }) => [
      ...found(path, text, dropped, 'use ignoreFailure'),
      ...Array.from(text.matchAll(silent), ({ index }) => {
        const line = text.slice(0, index).split('\n').length
        return `${path}:${line}: say why no failure matters here, or which do not`
      }),
    ]),
  )
})

test('only the world, and the home that it is made from, read time and chance', () => {
  const outside = /^node\/(world\/|home\.ts$)/
  none(
    files
      .filter(({ path }) => /^(protocol|node)\//.test(path) && !outside.test(path))
      .flatMap(({ path, text }) =>
        OUTSIDE_TEXTS.flatMap((pattern) => found(path, text, pattern, 'take it from World')),
      ),
  )
})

test('only simulations, and tests, leave out a check of what others state', () => {
  none(
    files
      .filter(({ path }) => !/^(simulations|test)\/|^protocol\/trust\.ts$/.test(path))
      .flatMap(({ path, text }) =>
        found(path, text, /\bplantWeakness\b/, 'a check is made always'),
      ),
  )
})

test('only simulations, and tests, plant faults, and each is asked for where it would be', () => {
  const home = 'protocol/planted-faults.ts'
  const product = files.filter(({ path }) => /^(node|protocol|cli)\//.test(path) && path !== home)
  none(product.flatMap(({ path, text }) => found(path, text, /\bplantFault\b/, 'no fault here')))
  const names = [
    ...(files.find(({ path }) => path === home)?.text ?? '').matchAll(/^ {2}\| '(.*)'$/gm),
  ]
  assert.ok(names.length > 30)
  none(
    names.flatMap(([, name = '']) =>
      product.some(({ text }) => text.includes(`isPlanted('${name}')`))
        ? []
        : [`${name}: not asked`],
    ),
  )
})

test('the word lists of the spelling check are sorted, and each word is used', () => {
  const paths = globSync(['**/*.{html,md,mjs,py,sh,ts,tsx}', '.ci/run'], {
    cwd: root,
    exclude: ['node_modules', 'dist'],
  })
  const text = paths.map((path) => readFileSync(join(root, path), 'utf8').toLowerCase()).join('\n')
  none(
    WORD_LISTS.flatMap((list) => {
      const words = readFileSync(join(root, list), 'utf8').toLowerCase().trim().split('\n')
      return words.flatMap((word, at) => [
        ...(word > (words[at - 1] ?? '') ? [] : [`${list}: ${word} is not in order`]),
        ...(text.includes(word) ? [] : [`${list}: nothing uses ${word}`]),
      ])
    }),
  )
})

/**
 * Packages with a program to run when they are installed, which is not run: they come with its
 * results.
 */
const INSTALL_SCRIPTS: readonly string[] = ['classic-level', 'fuse-native', 'koffi']

test('the lockfile serves every platform, names no registry, and has the hash of every package', () => {
  const text = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const packages = (JSON.parse(text) as { packages: Record<string, LockedPackage> }).packages
  none([
    ...found('package-lock.json', text, /"resolved"/, 'names a registry'),
    ...Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter(
          (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
        )
        .map((name) => `${name} is missing: choose a version of ${path} that all platforms have`),
    ),
    ...Object.entries(packages).flatMap(([path, { integrity = '', hasInstallScript = false }]) => {
      if (path === '') return []
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      return [
        ...(/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity) ? [] : [`${path} has no sha512`]),
        ...(hasInstallScript && !INSTALL_SCRIPTS.includes(name)
          ? [`${path} runs a program when it is installed`]
          : []),
      ]
    }),
  ])
  assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m)
})

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly integrity?: string
  readonly hasInstallScript?: boolean
}
