import { serialize } from 'pg-protocol';
import type { BackendMessage } from 'pg-protocol/dist/messages.js';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { ScramClient, scramMechanism } from './scram-client.ts';
import type { ServerAddress } from './url.ts';
import type { Wire } from './wire.ts';

type SaslMessage = BackendMessage & { readonly mechanisms: readonly string[]; readonly data: string };

/** From the startup packet to the first ReadyForQuery. Throws what the server refuses with. */
export async function startUp(wire: Wire, address: ServerAddress): Promise<void> {
  const authentication = new Authentication(wire, address);
  const { user, database, settings } = address;
  await wire.exchange({
    bytes: serialize.startup({ user, database, ...settings }),
    onMessage: (message) => authentication.onMessage(message),
  });
  authentication.requireProven();
}

class Authentication {
  readonly #wire: Wire;
  readonly #address: ServerAddress;
  #scram: ScramClient | null = null;
  #isProven = false;

  constructor(wire: Wire, address: ServerAddress) {
    this.#wire = wire;
    this.#address = address;
  }

  onMessage(message: BackendMessage): void {
    switch (message.name) {
      case 'authenticationSASL':
        this.#wire.reply(this.#begin(message as SaslMessage));
        return;
      case 'authenticationSASLContinue':
        void this.#prove((message as SaslMessage).data);
        return;
      case 'authenticationSASLFinal':
        this.#verify((message as SaslMessage).data);
        return;
      case 'authenticationCleartextPassword':
      case 'authenticationMD5Password':
        this.#refuse(
          new AlopexError(
            'feature_not_supported',
            `the server asks for ${message.name}: only SCRAM-SHA-256 shows no password to who may listen`,
          ),
        );
        return;
      default:
        return;
    }
  }

  #begin({ mechanisms }: SaslMessage): Buffer {
    if (!mechanisms.includes(scramMechanism)) {
      return this.#refuse(new AlopexError('feature_not_supported', `the server offers no ${scramMechanism}`));
    }
    const { password } = this.#address;
    if (password === null) {
      return this.#refuse(
        new AlopexError('invalid_password', 'the server asks for a password, and none is given'),
      );
    }
    this.#scram = new ScramClient(password);
    return serialize.sendSASLInitialResponseMessage(scramMechanism, this.#scram.first());
  }

  async #prove(serverFirst: string): Promise<void> {
    try {
      if (this.#scram === null) throw outOfOrder();
      this.#wire.reply(serialize.sendSCRAMClientFinalMessage(await this.#scram.final(serverFirst)));
    } catch (error) {
      this.#wire.destroy(asAlopexError(error));
    }
  }

  #verify(serverFinal: string): void {
    try {
      if (this.#scram === null) throw outOfOrder();
      this.#scram.verify(serverFinal);
      this.#isProven = true;
    } catch (error) {
      this.#refuse(asAlopexError(error));
    }
  }

  /** A server that was asked to prove itself, and let us in without, is not the one. */
  requireProven(): void {
    if (this.#scram === null || this.#isProven) return;
    this.#refuse(
      new AlopexError(
        'invalid_authorization_specification',
        'the server did not prove that it knows the password',
      ),
    );
  }

  #refuse(error: AlopexError): never {
    this.#wire.destroy(error);
    throw error;
  }
}

function outOfOrder(): AlopexError {
  return new AlopexError('protocol_violation', 'SASL messages are out of order');
}
