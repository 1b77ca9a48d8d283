// Imported, before all else, by processes that run from the sources: they load packages bundled.
import { loadBundledPackages } from './packages.ts'

loadBundledPackages()
