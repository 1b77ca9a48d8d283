// `shoal key`: the home of a node sealed at rest, under a passphrase or a credential of systemd.
import { ShoalError } from '../../protocol/errors.ts'
import { PASSPHRASE_FILE_HELP, readNewSecret, readSecret } from '../secret.ts'
import type { Command } from 'commander'
import type { Protection } from '../../node/protection.ts'
import type { Context } from '../context.ts'
import type { SecretOptions } from '../secret.ts'

const NEW_FILE_HELP =
  'a file with the new passphrase (default: $SHOAL_PASSPHRASE_FILE, else it is asked for)'
const CREDENTIAL_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

interface ProtectOptions extends SecretOptions {
  readonly credential?: string
  readonly oldPassphraseFile?: string
}

export function addKey(program: Command, context: Context): void {
  const key = program
    .command('key')
    .description('protect what lies on the disk of this machine')
    .addHelpText('after', '\nExample:\n  shoal key protect')
  addStatus(key, context)
  addProtect(key, context)
  addUnprotect(key, context)
}

function addStatus(key: Command, context: Context): void {
  key
    .command('status')
    .description('tell whether the home is protected, and where its secret comes from')
    .addHelpText('after', '\nExample:\n  shoal key status')
    .action(async () => {
      const { protectionOf } = await import('../../node/protection.ts')
      const found = await protectionOf(context.home)
      context.print(found, () => describe(found))
    })
}

function addProtect(key: Command, context: Context): void {
  key
    .command('protect')
    .description('seal the identity, index and logs of the home, or give it another passphrase')
    .option('--passphrase-file <file>', NEW_FILE_HELP)
    .option('--credential <name>', 'the secret is this credential of systemd')
    .option('--old-passphrase-file <file>', 'the passphrase that the home has, to change it')
    .addHelpText(
      'after',
      `
The node must not run. From then on it asks for the passphrase when it starts, or takes it from --passphrase-file,
$SHOAL_PASSPHRASE_FILE, or the credential (LoadCredentialEncrypted= of systemd), so that it can start unattended. Whoever
forgets it has lost this home: other machines of the volume, or a recovery key, have the data.

What lay on the disk in the clear before may be found there until it is overwritten.

Examples:
  shoal key protect
  systemd-run --pipe --wait -p LoadCredentialEncrypted=shoal:/etc/shoal.cred shoal key protect --credential shoal`,
    )
    .action(async (options: ProtectOptions) => {
      const { credential, passphraseFile, oldPassphraseFile } = options
      if (credential !== undefined && !CREDENTIAL_NAME.test(credential))
        throw new ShoalError('usage', `"${credential}" cannot be the name of a credential`)
      const { protectHome } = await import('../../node/protection.ts')
      const old = { passphraseFile: oldPassphraseFile }
      const secret = await readNewSecret(context, { passphraseFile }, { credential })
      await protectHome(context.home, { secret, credential }, (lock) =>
        readSecret(context, old, lock),
      )
      context.print({ isProtected: true, credential }, () => `${context.home} is protected.`)
    })
}

function addUnprotect(key: Command, context: Context): void {
  key
    .command('unprotect')
    .description('make the home open to whoever has the disk, as it was before')
    .option('--passphrase-file <file>', PASSPHRASE_FILE_HELP)
    .addHelpText('after', '\nThe node must not run.\n\nExample:\n  shoal key unprotect')
    .action(async (options: SecretOptions) => {
      const { unprotectHome } = await import('../../node/protection.ts')
      await unprotectHome(context.home, (lock) => readSecret(context, options, lock))
      context.print({ isProtected: false }, () => `${context.home} is not protected.`)
    })
}

function describe({ isProtected, credential }: Protection): string {
  if (!isProtected)
    return 'The home is not protected: who has the disk can read all of it. See "shoal key protect --help".'
  return credential === undefined
    ? 'The home is protected by a passphrase.'
    : `The home is protected by the credential "${credential}" of systemd.`
}
