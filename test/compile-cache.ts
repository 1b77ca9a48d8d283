// Imported by each process of a test run before all else: compiled sources are kept beside the packages, so that a test file
// starts in a third less CPU time. Apart from the cache of the command, which runs with other flags of V8.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'tests'))
