// Run before a node, plants the fault that its environment names: so that a test can show that it
// would be found.
import { plantFault } from '../../../protocol/planted-faults.ts'
import type { PlantedFault } from '../../../protocol/planted-faults.ts'

plantFault(process.env['SHOAL_TEST_FAULT'] as PlantedFault)
