// The cases of mount drivers, by fuse-native.
import { lackOfFuseNative, testBy } from '../mount/drivers.ts'
import { needAll } from './need.ts'

needAll(lackOfFuseNative())
testBy('fuse-native')
await import('../mount/driver.test.ts')
await import('../mount/lifecycle.test.ts')
