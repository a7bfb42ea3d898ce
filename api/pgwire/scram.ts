import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { AlopexError } from '../../base/errors.ts';
import { hash, hmac, parseVerifier, scramIterations, type Verifier } from '../database/password.ts';
import { protocolViolation } from './frontend.ts';

export const scramMechanism = 'SCRAM-SHA-256';

/**
 * One handshake of SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side. A user without a verifier goes through the same steps with a made-up one, and fails at the end:
 * the exchange does not tell which users exist.
 */
export class ScramServer {
  readonly #user: string;
  readonly #verifier: Verifier;
  readonly #isKnown: boolean;
  #clientFirstBare = '';
  #serverFirst = '';
  #nonce = '';
  #channelBinding = '';

  constructor(user: string, verifier: string | null, mockSecret: Uint8Array) {
    this.#user = user;
    const parsed = verifier === null ? null : parseVerifier(verifier);
    this.#isKnown = parsed !== null;
    this.#verifier = parsed ?? {
      iterations: scramIterations,
      salt: createHmac('sha256', mockSecret).update(user).digest().subarray(0, 16),
      storedKey: randomBytes(32),
      serverKey: randomBytes(32),
    };
  }

  /** Takes client-first-message, gives server-first-message. */
  first(message: string): string {
    const match = /^([ny]|p=[^,]*),([^,]*),((?:m=[^,]*,)?n=[^,]*,r=([!-+\--~]+)(?:,.*)?)$/.exec(message);
    if (match === null) throw protocolViolation('malformed SCRAM message');
    const [, binding, authorization, bare, clientNonce] = match as unknown as [
      string,
      string,
      string,
      string,
      string,
    ];
    if (binding.startsWith('p='))
      throw protocolViolation('malformed SCRAM message: channel binding was not offered');
    if (authorization !== '') {
      throw new AlopexError(
        'feature_not_supported',
        'client uses authorization identity, but it is not supported',
      );
    }
    if (bare.startsWith('m='))
      throw new AlopexError('feature_not_supported', 'client requires an unsupported SCRAM extension');
    this.#channelBinding = Buffer.from(`${binding},${authorization},`).toString('base64');
    this.#clientFirstBare = bare;
    this.#nonce = clientNonce + randomBytes(18).toString('base64');
    this.#serverFirst = `r=${this.#nonce},s=${this.#verifier.salt.toString('base64')},i=${this.#verifier.iterations}`;
    return this.#serverFirst;
  }

  /** Takes client-final-message, gives server-final-message; 28P01 where the proof does not hold. */
  final(message: string): string {
    const match = /^(c=([^,]*),r=([^,]*)(?:,[^p][^,]*)*),p=([^,]*)$/.exec(message);
    if (match === null) throw protocolViolation('malformed SCRAM message');
    const [, withoutProof, binding, nonce, proof] = match as unknown as [
      string,
      string,
      string,
      string,
      string,
    ];
    if (binding !== this.#channelBinding)
      throw protocolViolation('unexpected SCRAM channel-binding attribute in client-final-message');
    if (nonce !== this.#nonce) throw protocolViolation('invalid SCRAM response: nonce does not match');
    const { storedKey, serverKey } = this.#verifier;
    const signed = `${this.#clientFirstBare},${this.#serverFirst},${withoutProof}`;
    const signature = hmac(storedKey, signed);
    const given = Buffer.from(proof, 'base64');
    if (given.length !== signature.length)
      throw protocolViolation('malformed SCRAM message: the proof has the wrong length');
    const clientKey = Buffer.from(given.map((byte, index) => byte ^ signature[index]!));
    if (!timingSafeEqual(hash(clientKey), storedKey) || !this.#isKnown) {
      throw new AlopexError('invalid_password', `password authentication failed for user "${this.#user}"`);
    }
    return `v=${hmac(serverKey, signed).toString('base64')}`;
  }
}
