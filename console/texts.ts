// All texts of the console, in English. Another language is another object of this type.
import { OVERVIEW_TEXT } from './texts/overview.ts'
import { PAGES_TEXT } from './texts/pages.ts'

export const TEXT: typeof OVERVIEW_TEXT & typeof PAGES_TEXT = { ...OVERVIEW_TEXT, ...PAGES_TEXT }
