// `shoal key`: keys of programs that come in by doors, and the home of a node sealed at rest, under
// a passphrase or a credential of systemd.
import { ShoalError } from '../../protocol/errors.ts'
import { addAccessKeys } from '../accounts/access-keys.ts'
import { PASSPHRASE_FILE_HELP, readNewSecret, readSecret } from '../secret.ts'
import type { Command } from 'commander'
import type { Protection } from '../../node/protection.ts'
import type { Context } from '../context.ts'
import type { SecretOptions } from '../secret.ts'

const NEW_FILE_HELP = 'file with the new passphrase (default: $SHOAL_PASSPHRASE_FILE, else prompt)'
const CREDENTIAL_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

interface ProtectOptions extends SecretOptions {
  readonly credential?: string
  readonly oldPassphraseFile?: string
}

export function addKey(program: Command, context: Context): void {
  const key = program
    .command('key')
    .description("manage keys of programs, and encrypt the node's home at rest")
    .addHelpText(
      'after',
      '\nExamples:\n  shoal key create backup --door s3 --path /backup\n  shoal key protect',
    )
  addAccessKeys(key, context)
  addStatus(key, context)
  addProtect(key, context)
  addUnprotect(key, context)
}

function addStatus(key: Command, context: Context): void {
  key
    .command('status')
    .description('show whether the home is protected, and by what')
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
    .description('encrypt identity, index and logs of the home, or change its passphrase')
    .option('--passphrase-file <file>', NEW_FILE_HELP)
    .option('--credential <name>', 'use this systemd credential as the secret')
    .option('--old-passphrase-file <file>', 'file with the current passphrase, to change it')
    .addHelpText(
      'after',
      `
Stop the node first. From then on it prompts for the passphrase when it starts.
To start it unattended, use --passphrase-file, $SHOAL_PASSPHRASE_FILE or a
systemd credential (LoadCredentialEncrypted=). A forgotten passphrase cannot be
recovered: this home is lost then, and the data must come from other machines of
the volume or a recovery key.

Plaintext stored before remains on the disk until it is overwritten.

Examples:
  shoal key protect
  systemd-run --pipe --wait -p LoadCredentialEncrypted=shoal:/etc/shoal.cred \\
    shoal key protect --credential shoal`,
    )
    .action(async (options: ProtectOptions) => {
      const { credential, passphraseFile, oldPassphraseFile } = options
      if (credential !== undefined && !CREDENTIAL_NAME.test(credential))
        throw new ShoalError(
          'usage',
          `"${credential}" is not a valid credential name: use letters, digits, ".", "-" and "_"`,
        )
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
    .description('remove the protection: decrypt the home')
    .option('--passphrase-file <file>', PASSPHRASE_FILE_HELP)
    .addHelpText('after', '\nStop the node first.\n\nExample:\n  shoal key unprotect')
    .action(async (options: SecretOptions) => {
      const { unprotectHome } = await import('../../node/protection.ts')
      await unprotectHome(context.home, (lock) => readSecret(context, options, lock))
      context.print({ isProtected: false }, () => `${context.home} is not protected.`)
    })
}

function describe({ isProtected, credential }: Protection): string {
  if (!isProtected)
    return 'The home is not protected: anyone with access to the disk can read it. See "shoal key protect --help".'
  return credential === undefined
    ? 'The home is protected by a passphrase.'
    : `The home is protected by the systemd credential "${credential}".`
}
