// Sets an extended attribute of a file, if there is a value, and prints it:
// `attribute-program.ts PATH NAME [VALUE]`.
import { getXattr, setXattr } from '../mount/system-calls.ts'

const [, , path = '', name = '', value] = process.argv
if (value !== undefined) setXattr(path, name, value)
process.stdout.write(getXattr(path, name))
