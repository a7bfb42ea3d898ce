import type { Clock, NetworkAddress } from '../../base/env/env.ts';
import type { AlopexError } from '../../base/errors.ts';
import type { NodeIdentity } from './identity.ts';

/** What a transport has to know of this node; what it answers may change, which it tells by `onChange`. */
export type Credentials = Pick<
  NodeIdentity,
  'self' | 'certificate' | 'key' | 'trust' | 'verify' | 'onChange'
>;

/** Of the transports that know by certificates who is at the other end. */
export type SecureOptions = {
  readonly identity: Credentials;
  readonly clock: Clock;
  /** Whoever could not come in, and why: for the log. */
  readonly onRefused?: (error: AlopexError, remote: NetworkAddress) => void;
  /** From the first packet to the channel. */
  readonly handshakeMsMax?: number;
  /** Connections whose handshake is not over; further ones are hung up on, or wait. */
  readonly handshakesMax?: number;
};
