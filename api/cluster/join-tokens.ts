import { createHash } from 'node:crypto';
import type { Env } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { ClusterSettings } from './cluster-settings.ts';

/** Each is used once, and kept as its hash alone. */
type Tokens = ClusterSettings['tokens'];

const tokensMax = 1000;
const tokenBytes = 24;

export function newToken({ random }: Pick<Env, 'random'>): string {
  return Buffer.from(random.bytes(tokenBytes)).toString('base64url');
}

export function withToken(tokens: Tokens, token: string, expiresMs: number): Tokens {
  return [...tokens, { hash: hashOf(token), expiresMs }].slice(-tokensMax);
}

/** Those that are left once it is used. 28000 where it is none of them. */
export function withoutToken(tokens: Tokens, token: string | null, nowMs: number): Tokens {
  const hash = token === null ? null : hashOf(token);
  if (!tokens.some((each) => each.hash === hash && each.expiresMs > nowMs)) {
    throw new AlopexError(
      'invalid_authorization_specification',
      'the join token is missing, used or expired',
      { hint: 'Make one on the primary with: alopex-cli replication token' },
    );
  }
  return tokens.filter((each) => each.hash !== hash && each.expiresMs > nowMs);
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
