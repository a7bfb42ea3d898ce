import { pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { AlopexError } from '../../base/errors.ts';
import { hash, hmac } from '../database/password.ts';

export const scramMechanism = 'SCRAM-SHA-256';

/** A server may not make its clients work for longer than this. */
const iterationsMax = 1_000_000;

/**
 * One handshake of SCRAM-SHA-256 (RFC 5802, section 3; RFC 7677), the client's side: the server never learns the
 * password, and proves in `verify` that it knows the verifier.
 */
export class ScramClient {
  readonly #password: string;
  readonly #nonce: string;
  readonly #firstBare: string;
  #serverSignature: Buffer | null = null;

  constructor(password: string, nonce: string = randomBytes(18).toString('base64')) {
    // Characters that NFKC refuses nothing of: PostgreSQL too takes a password that SASLprep refuses as it is.
    this.#password = password.normalize('NFKC');
    this.#nonce = nonce;
    // The user's name is the startup packet's; the one in here is ignored.
    this.#firstBare = `n=,r=${nonce}`;
  }

  /** client-first-message: no channel binding. */
  first(): string {
    return `n,,${this.#firstBare}`;
  }

  /** Takes server-first-message, gives client-final-message. */
  async final(serverFirst: string): Promise<string> {
    const match = /^r=([!-+\--~]+),s=([A-Za-z0-9+/]+=*),i=([1-9]\d*)$/.exec(serverFirst);
    if (match === null) throw malformed('malformed server-first-message');
    const [, nonce, salt, iterations] = match as unknown as [string, string, string, string];
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw malformed('the server did not add to the nonce');
    }
    if (Number(iterations) > iterationsMax) throw malformed(`more than ${iterationsMax} iterations`);
    const salted = await promisify(pbkdf2)(
      this.#password,
      Buffer.from(salt, 'base64'),
      Number(iterations),
      32,
      'sha256',
    );
    const withoutProof = `c=${Buffer.from('n,,').toString('base64')},r=${nonce}`;
    const signed = `${this.#firstBare},${serverFirst},${withoutProof}`;
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(hash(clientKey), signed);
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), signed);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]!));
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Takes server-final-message; throws where the server does not know the verifier. */
  verify(serverFinal: string): void {
    const match = /^v=([A-Za-z0-9+/]+=*)(?:,.*)?$/.exec(serverFinal);
    if (match === null || this.#serverSignature === null) throw malformed('malformed server-final-message');
    const given = Buffer.from(match[1]!, 'base64');
    if (given.length !== this.#serverSignature.length || !timingSafeEqual(given, this.#serverSignature)) {
      throw new AlopexError('invalid_authorization_specification', 'incorrect server signature', {
        hint: 'The server does not know the password: it may not be the one that it claims to be.',
      });
    }
  }
}

function malformed(problem: string): AlopexError {
  return new AlopexError('protocol_violation', `malformed SCRAM message: ${problem}`);
}
