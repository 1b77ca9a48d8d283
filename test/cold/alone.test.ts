// A volume of one machine, and a folder as its tier.
import { lonelyMachine } from './alone.ts'

lonelyMachine('a folder', (place) => `dir:${place}`)
