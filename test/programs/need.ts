// Tests in this folder use programs that a bare machine lacks. One that is missing is a failure,
// not a reason to skip: who runs them wants to know that all of them ran.
import { spawnSync } from 'node:child_process'

/** The package of Debian that has each program. */
const PACKAGES = {
  '/usr/libexec/gvfsd-dav': 'gvfs gvfs-backends',
  aws: 'awscli',
  cadaver: 'cadaver',
  cc: 'gcc libc6-dev',
  'dbus-run-session': 'dbus',
  fio: 'fio',
  gio: 'libglib2.0-bin',
  git: 'git',
  ip: 'iproute2',
  litmus: 'litmus',
  make: 'make',
  'mkfs.ext4': 'e2fsprogs',
  'mount.davfs': 'davfs2',
  promtool: 'prometheus',
  python3: 'python3',
  rclone: 'rclone',
  restic: 'restic',
  rsync: 'rsync',
  s3cmd: 's3cmd',
  s3fs: 's3fs',
  strace: 'strace',
  'stress-ng': 'stress-ng',
} as const

export type Program = keyof typeof PACKAGES

/** throws Error naming the packages to install for those of the programs that are not here. */
export function need(...programs: readonly Program[]): void {
  const missing = programs.filter((name) => !isHere(name))
  if (missing.length === 0) return
  const packages = missing.map((name) => PACKAGES[name]).join(' ')
  throw new Error(`${missing.join(', ')} not found: apt-get install ${packages}`)
}

/** throws Error with what is lacking, if anything is: undefined and false say that nothing is. */
export function needAll(...lacks: readonly (string | false | undefined)[]): void {
  const [first] = lacks.filter((lack) => lack !== undefined && lack !== false)
  if (first !== undefined) throw new Error(first)
}

function isHere(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status === 0
}
