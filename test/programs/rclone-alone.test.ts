// A volume of one machine, and a remote of rclone as its tier.
import { lonelyMachine } from '../cold/alone.ts'
import { need } from './need.ts'

need('rclone')
// A remote that is a folder, for rclone of any node that starts from here on.
process.env['RCLONE_CONFIG_TEST_TYPE'] = 'local'

lonelyMachine('rclone', (place) => `rclone:test:${place}`)
